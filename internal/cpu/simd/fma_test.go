package simd

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFMARoundsOnce compares with exact sums rounded to float32: of random numbers, of those whose sum in float64 is
// halfway between two float32 but whose exact sum is not, and of those whose sum is subnormal or overflows.
func TestFMARoundsOnce(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	trials := 300_000
	if testing.Short() {
		trials = 30_000
	}
	twice := 0
	for range trials {
		number := func() float32 {
			return float32(math.Ldexp(rng.Float64()-0.5, rng.IntN(40)-20))
		}
		a, b, c := number(), number(), number()
		if kind := rng.IntN(4); kind > 0 {
			// The product is a little less or more than half of the distance to the next number after c.
			i, half := float64(rng.IntN(5)), math.Ldexp(1, exponent(c)-24)
			a, b = float32(half*(1+i*0x1p-23)), float32(1-i*0x1p-23)
			if rng.IntN(2) == 0 {
				a = -a
			}
			for _, scale := range map[int][]float64{2: {0x1p-100, 0x1p-30}, 3: {0x1p100, 0x1p10}}[kind] {
				a, c = float32(float64(a)*scale), float32(float64(c)*scale)
			}
		}
		exact := new(big.Float).SetPrec(400).Mul(big.NewFloat(float64(a)), big.NewFloat(float64(b)))
		want, _ := exact.Add(exact, big.NewFloat(float64(c))).Float32()
		require.Equal(t, want, fma(a, b, c), "%b·%b + %b", a, b, c)
		sum := []float32{c}
		addProducts(sum, []float32{b}, a)
		require.Equal(t, want, sum[0], "%b·%b + %b in a row", a, b, c)
		if float32(float64(float64(a)*float64(b))+float64(c)) != want {
			twice++
		}
	}
	require.Greater(t, twice, trials/100, "cases that two roundings get wrong")
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	require.Equal(t, inf, fma(inf, 1, 2))
	for _, v := range []float32{fma(inf, 0, 1), fma(nan, 1, 1), fma(inf, 1, -inf), fma(1, 1, nan)} {
		require.True(t, v != v)
	}
}

func exponent(x float32) int {
	_, e := math.Frexp(float64(x))
	return e - 1
}
