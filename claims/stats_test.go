package claims

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestIntervalIsStudents compares with t-tables: t(0.975; 4) = 2.776445, t(0.95; 4) = 2.131847.
func TestIntervalIsStudents(t *testing.T) {
	t.Parallel()
	x := []float64{1, 2, 3, 4, 5}
	i := interval(x)
	half := 2.776445105 * math.Sqrt(2.5/5)
	require.InDelta(t, 3, i.Mean, 1e-15)
	require.InDelta(t, 3-half, i.Low, 1e-8)
	require.InDelta(t, 3+half, i.High, 1e-8)
	require.InDelta(t, 3+2.131846786*math.Sqrt(2.5/5), intervalAt(x, 0.90).High, 1e-8)
	one := interval([]float64{7})
	require.Equal(t, 7.0, one.Mean)
	require.False(t, one.above(-1e300) || one.below(1e300) || one.within(-1e300, 1e300), "one number has no interval")
}

// TestIntervalsCoverTheMean draws samples of 5 and counts how often the interval has the mean.
func TestIntervalsCoverTheMean(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	covered := 0
	const tries = 20_000
	for range tries {
		x := make([]float64, 5)
		for i := range x {
			x[i] = 3 + rng.NormFloat64()
		}
		if i := interval(x); i.Low <= 3 && 3 <= i.High {
			covered++
		}
	}
	// ±4 standard deviations of a count of that probability
	require.InDelta(t, 0.95, float64(covered)/tries, 4*math.Sqrt(0.95*0.05/tries))
}

func TestEquivalenceIsTwoOneSidedTests(t *testing.T) {
	t.Parallel()
	// The interval of 90 % of {1, 2, 3, 4, 5} ends at 4.507, that of 95 % at 4.963.
	x := []float64{1, 2, 3, 4, 5}
	require.True(t, equivalent(x, 4.6))
	require.False(t, equivalent(x, 4.4))
	require.False(t, equivalent([]float64{0}, 1), "one seed decides nothing")
}

// TestShapesOfDistributions compares with their moments: 0 and 0 of a Gaussian, 2 and 6 of
// the exponential, 0 and −2 of ±1.
func TestShapesOfDistributions(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 4))
	draw := func(f func() float64) shape {
		x := make([]float64, 1<<20)
		for i := range x {
			x[i] = 1e6 + f()
		}
		return shapeOf(x)
	}
	for _, c := range []struct {
		name string
		got  shape
		want shape
		near float64
	}{
		{"Gaussian", draw(rng.NormFloat64), shape{0, 0}, 0.02},
		{"exponential", draw(rng.ExpFloat64), shape{2, 6}, 0.5},
		{"±1", draw(func() float64 { return float64(2*rng.IntN(2) - 1) }), shape{0, -2}, 0.01},
	} {
		require.InDelta(t, c.want.Skewness, c.got.Skewness, c.near, c.name)
		require.InDelta(t, c.want.Kurtosis, c.got.Kurtosis, c.near, c.name)
	}
}

func TestJarqueBera(t *testing.T) {
	t.Parallel()
	require.InDelta(t, math.Exp(-10), jarqueBera(shape{1, 2}, 60), 1e-12) // 60/6·(1 + 4/4) = 20
	require.InDelta(t, 1, jarqueBera(shape{0, 0}, 60), 0)
	// The statistic's level in large Gaussian samples is the nominal one.
	rng := rand.New(rand.NewPCG(5, 6))
	rejected := 0
	const tries = 2000
	for range tries {
		x := make([]float64, 2000)
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		if jarqueBera(shapeOf(x), len(x)) < 0.05 {
			rejected++
		}
	}
	require.InDelta(t, 0.05, float64(rejected)/tries, 0.015)
}

// TestFitsTellLinesFromExponentials plants both, with noise of 5 %.
func TestFitsTellLinesFromExponentials(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 8))
	var x, line, exponential []float64
	for i := range 33 {
		v := float64(i)
		noise := math.Exp(0.05 * rng.NormFloat64())
		x = append(x, v)
		line = append(line, 2*(1+0.5*v)*noise)
		exponential = append(exponential, 2*math.Exp(0.1*v)*noise)
	}
	l, err := linearFit(x, line)
	require.NoError(t, err)
	require.Less(t, l.AICc, exponentialFit(x, line).AICc-2)
	require.InEpsilon(t, 0.5, l.Rate, 0.2)
	l, err = linearFit(x, exponential)
	require.NoError(t, err)
	e := exponentialFit(x, exponential)
	require.Less(t, e.AICc, l.AICc-2)
	require.InEpsilon(t, math.Exp(0.1), e.Rate, 0.01)
}
