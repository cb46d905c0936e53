package portable

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// units returns the distance between two numbers in units in the last place of want.
func units(got, want float64) float64 {
	if got == want || got != got && want != want {
		return 0
	}
	return math.Abs(got-want) / (math.Nextafter(math.Abs(want), math.Inf(1)) - math.Abs(want))
}

// TestFunctionsAreThoseOfMath compares with package math, whose results are within one unit in the last place.
func TestFunctionsAreThoseOfMath(t *testing.T) {
	t.Parallel()
	special := []float64{0, 1, -1, math.Inf(1), math.Inf(-1), math.NaN(), 0x1p-1022, math.MaxFloat64,
		709, 710, -708, -745.1, -746, math.Sqrt2 / 2, math.Sqrt2, 1 - 0x1p-53, 1 + 0x1p-52}
	for _, f := range []struct {
		name      string
		got, want func(float64) float64
		at        func(r *rand.Rand) float64
		limit     float64
	}{
		{"exp", Exp, math.Exp, func(r *rand.Rand) float64 { return 1400*r.Float64() - 700 }, 2},
		{"exp near 0", Exp, math.Exp, func(r *rand.Rand) float64 { return r.Float64() - 0.5 }, 2},
		{"log", Log, math.Log, func(r *rand.Rand) float64 { return math.Ldexp(r.Float64(), r.IntN(2000)-1000) }, 2},
		{"log near 1", Log, math.Log, func(r *rand.Rand) float64 { return 0.7 + 0.8*r.Float64() }, 2},
		{"log very near 1", Log, math.Log, func(r *rand.Rand) float64 { return 1 + math.Ldexp(r.Float64()-0.5, -r.IntN(50)) }, 2},
	} {
		rng, worst, where := rand.New(rand.NewPCG(1, 1)), 0.0, 0.0
		for _, x := range special {
			require.LessOrEqual(t, units(f.got(x), f.want(x)), f.limit, "%s(%v): %v, want %v", f.name, x, f.got(x), f.want(x))
		}
		for range 100_000 {
			x := f.at(rng)
			if u := units(f.got(x), f.want(x)); u > worst {
				worst, where = u, x
			}
		}
		// On some machines math.Log is wrong here.
		require.InEpsilon(t, -1074*math.Ln2, Log(5e-324), 0x1p-52)
		t.Logf("%s is off by at most %v units, at %v", f.name, worst, where)
		require.LessOrEqual(t, worst, f.limit, "%s(%v)", f.name, where)
	}
}

func TestCosPi(t *testing.T) {
	t.Parallel()
	worst := 0.0
	for i := range 100_001 {
		x := float64(i) / 100_000
		worst = max(worst, math.Abs(CosPi(x)-math.Cos(math.Pi*x)))
	}
	t.Log("off by at most", worst)
	require.LessOrEqual(t, worst, 0x1p-51)
	require.Equal(t, []float64{1, 0, -1}, []float64{CosPi(0), CosPi(0.5), CosPi(1)})
}

func TestPower(t *testing.T) {
	t.Parallel()
	for _, x := range []float64{0, 0.9, 0.95, 0.99, 0.999, 1, 2} {
		for _, n := range []int{0, 1, 2, 3, 10, 99, 1000} {
			require.InEpsilon(t, math.Pow(x, float64(n))+1, Power(x, n)+1, float64(n+1)*0x1p-53, "%v**%d", x, n)
		}
	}
}

// TestNormalIsNormFloat64 compares numbers from the same source.
func TestNormalIsNormFloat64(t *testing.T) {
	t.Parallel()
	draws := 20_000_000
	if testing.Short() {
		draws = 1_000_000
	}
	got, want := rand.New(rand.NewPCG(3, 4)), rand.New(rand.NewPCG(3, 4))
	tails := 0
	for i := range draws {
		g, w := Normal(got), want.NormFloat64()
		if math.Abs(w) > edge {
			tails++
			require.InEpsilon(t, w, g, 0x1p-51, "draw %d", i)
		} else if g != w {
			require.Equal(t, w, g, "draw %d", i)
		}
	}
	require.InEpsilon(t, math.Erfc(edge/math.Sqrt2), float64(tails)/float64(draws), 0.2)
}
