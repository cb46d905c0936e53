package train

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestSettingsDoNotOverflow has the largest context, and a batch of it.
func TestSettingsDoNotOverflow(t *testing.T) {
	t.Parallel()
	text := corpus(t, verse)
	c := tiny("layer")
	c.Context = math.MaxInt
	require.EqualError(t, Check(c, text),
		fmt.Sprintf("train: batch %d of context %d is more than 16777216 tokens", c.Batch, math.MaxInt))
	require.ErrorContains(t, text.CheckContext(math.MaxInt),
		fmt.Sprintf("a context of %d needs %d (give", math.MaxInt, uint(math.MaxInt)+1))
	require.ErrorContains(t, text.CheckContext(len(text.Val)), "is too short")
	require.NoError(t, text.CheckContext(len(text.Val)-1))
}

// TestTheRateOfALongWarmup checks that it rises from 0 like that of a short one.
func TestTheRateOfALongWarmup(t *testing.T) {
	t.Parallel()
	c := Config{LR: 1, Warmup: math.MaxInt, Steps: math.MaxInt}
	require.InEpsilon(t, 1/math.Ldexp(1, big.NewInt(math.MaxInt).BitLen()), rate(c, 0), 1e-9)
	require.InDelta(t, 0.5, rate(c, math.MaxInt/2), 1e-9)
	require.InDelta(t, 1, rate(c, math.MaxInt-1), 1e-9)
}

// TestPlacesEqualBigIntegers compares with arithmetic that cannot overflow.
func TestPlacesEqualBigIntegers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		places := rapid.IntMin(1).Draw(t, "places")
		n := rapid.IntRange(1, places).Draw(t, "n")
		i := rapid.IntRange(0, n-1).Draw(t, "i")
		want := new(big.Int).Mul(big.NewInt(int64(i)), big.NewInt(int64(places)))
		require.Equal(t, want.Div(want, big.NewInt(int64(n))).Int64(), int64(place(i, n, places)))
	})
}

// TestNinetyPercentAreForTraining checks that the part is rounded down for texts of any
// length.
func TestNinetyPercentAreForTraining(t *testing.T) {
	t.Parallel()
	letters := "abcdefghijklmnopqrstuvwxyz0123456789"
	for n := 2; n <= len(letters); n++ {
		require.Len(t, corpus(t, letters[:n]).Train, n*9/10)
	}
}
