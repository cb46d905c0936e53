package cpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func momentsOf(x []float64) (m Moments) {
	for _, v := range x {
		m.Add(Moments{Count: 1, Mean: v})
	}
	return m
}

func TestMomentsOfPartsAreThoseOfTheWhole(t *testing.T) {
	for _, mean := range []float64{0, 1e6} {
		x := normals[float64](1000, mean, 1)
		want := sum(x) / 1000
		for _, cut := range []int{0, 1, 300, 999, 1000} {
			m := momentsOf(x[:cut])
			m.Add(momentsOf(x[cut:]))
			require.Equal(t, 1000., m.Count)
			require.InDelta(t, want, m.Mean, 1e-12*(1+mean))
			// The mean's rounding, 1e-10 at 1e6, is squared beside the variance.
			require.InEpsilon(t, centredSquares(x, want)/1000, m.Variance(), 1e-9)
		}
	}
}

func TestMomentsOfNothingAndOfNaN(t *testing.T) {
	var none Moments
	none.Add(Moments{})
	require.Equal(t, Moments{}, none)

	one := Moments{Count: 1, Mean: 1e300} // d·d would overflow beside a mean of none
	one.Add(Moments{Mean: math.NaN()})
	require.Equal(t, Moments{Count: 1, Mean: 1e300}, one)

	one.Add(Moments{Count: 1, Mean: math.NaN()})
	require.True(t, math.IsNaN(one.Mean) && math.IsNaN(one.M2))
	require.Equal(t, 2., one.Count)
}
