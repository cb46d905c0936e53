package cpu

import (
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// exactFormula returns GELU and its slope in float64. It takes Φ from erfc, which has all its digits in the
// negative tail too.
func exactFormula(x float64) (y, slope float64) {
	cdf := math.Erfc(-x/math.Sqrt2) / 2
	return x * cdf, cdf + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
}

// runExactGELU returns y and the gradient of Σ dy·y.
func runExactGELU[T Float](x, dy []T) (y, dx []T) {
	y, dx = make([]T, len(x)), make([]T, len(x))
	g := GELU[T]{Exact: true}
	g.Forward(y, x)
	g.Backward(dx, x, dy)
	return y, dx
}

func grid[T Float](from, to float64, n int) []T {
	x := make([]T, n)
	for i := range x {
		x[i] = T(from + (to-from)*float64(i)/float64(n-1))
	}
	return x
}

func TestExactGELUIsItsFormula(t *testing.T) {
	t.Parallel()
	bothTypes(t,
		func(t *testing.T) { testExactGELU[float32](t, 0x1p-23) },
		func(t *testing.T) { testExactGELU[float64](t, 0x1p-52) })
}

// testExactGELU allows 2 units in the last place of the largest term: 1 in Φ, |x| in y, and their products
// with dy in dx.
func testExactGELU[T Float](t *testing.T, ulp float64) {
	for _, n := range []int{1, 2, 7, exactBlock - 1, exactBlock, exactBlock + 1, span + 3*exactBlock + 5} {
		x, dy := grid[T](-9, 9, max(n, 2))[:n], make([]T, n)
		for i := range dy {
			dy[i] = T(1 + float64(i%7))
		}
		y, dx := runExactGELU(x, dy)
		for i, v := range x {
			wantY, slope := exactFormula(float64(v))
			require.InDelta(t, wantY, float64(y[i]), 2*ulp*max(1e-3, math.Abs(float64(v))), "gelu(%g)", v)
			require.InDelta(t, slope*float64(dy[i]), float64(dx[i]), 2*ulp*float64(dy[i]), "gelu'(%g), dy %g", v, dy[i])
		}
	}
}

// TestExactGELUTailBesidePyTorch compares the largest relative error of y in each part of the negative tail
// with that of torch.nn.functional.gelu in PyTorch 1.13 (testdata/accuracy.py). It allows half a unit in the
// last place of erf, twice that of Φ, where PyTorch was luckier.
func TestExactGELUTailBesidePyTorch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, pytorch32, pytorch64 float64 }{
		{-4, -3, 9.21e-04, 8.37e-13},
		{-5, -4, 4.89e-02, 9.41e-11},
		{-6, -5, 1.00e+00, 2.72e-08},
		{-8, -6, 1.00e+00, 4.33e-02},
	} {
		smallest := math.Erfc(-c.from/math.Sqrt2) / 2 // Φ
		relative32 := tailError[float32](t, c.from, c.to)
		relative64 := tailError[float64](t, c.from, c.to)
		t.Logf("[%g, %g] float32: ours %.2e, PyTorch's %.2e; float64: ours %.2e, PyTorch's %.2e",
			c.from, c.to, relative32, c.pytorch32, relative64, c.pytorch64)
		require.LessOrEqual(t, relative32, c.pytorch32+0x1p-26/smallest)
		require.LessOrEqual(t, relative64, c.pytorch64+0x1p-55/smallest)
	}
}

func tailError[T Float](t *testing.T, from, to float64) (worst float64) {
	x := grid[T](from, to, 10001)
	y, _ := runExactGELU(x, x)
	for i, v := range x {
		want, _ := exactFormula(float64(v))
		require.LessOrEqual(t, y[i], T(0), "gelu(%g)", v)
		worst = max(worst, math.Abs(float64(y[i])/want-1))
	}
	return worst
}

// TestExactGELUExtremes expects NaN where PyTorch 1.13 returns NaN.
func TestExactGELUExtremes(t *testing.T) {
	t.Parallel()
	bothTypes(t, testExactExtremes[float32], testExactExtremes[float64])
}

func testExactExtremes[T Float](t *testing.T) {
	inf, nan := T(math.Inf(1)), T(math.NaN())
	for _, c := range []struct{ x, y, slope T }{
		{0, 0, 0.5},
		{1e-30, 0.5e-30, 0.5}, {-1e-30, -0.5e-30, 0.5},
		{50, 50, 1}, {-50, 0, 0},
		{1e20, 1e20, 1}, {-1e20, 0, 0},
		{3e38, 3e38, 1}, {-3e38, 0, 0},
		{inf, inf, nan}, {-inf, nan, nan}, {nan, nan, nan},
	} {
		y, dx := runExactGELU([]T{1, c.x, 1}, []T{1, 1, 1})
		same := func(want, got T, what string) {
			if want != want {
				require.True(t, got != got, "%s(%g) is %g, want NaN", what, c.x, got)
				return
			}
			require.Equal(t, want, got+0, "%s(%g)", what, c.x)
		}
		same(c.y, y[1], "gelu")
		same(c.slope, dx[1], "gelu'")
		require.Equal(t, y[0], y[2])
		require.InDelta(t, 0.841344746, float64(y[0]), 1e-7, "beside %g", c.x)
	}
}

func TestExactGELUIsTheSameAtAnyNumberOfThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	x := grid[float32](-5, 5, 5*span+17)
	runtime.GOMAXPROCS(1)
	wantY, wantDx := runExactGELU(x, x)
	y, dx, g := make([]float32, len(x)), make([]float32, len(x)), GELU[float32]{Exact: true}
	for _, threads := range []int{2, 3, 8} {
		runtime.GOMAXPROCS(threads)
		run := func() {
			g.Forward(y, x)
			g.Backward(dx, x, x)
		}
		require.Zero(t, testing.AllocsPerRun(3, run))
		require.Equal(t, wantY, y)
		require.Equal(t, wantDx, dx)
	}
}
