package cpu

import (
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// pointwiseProblem holds the inputs of DyT or Derf.
type pointwiseProblem[T Float] struct {
	derf               bool
	rows, cols         int
	x, gamma, beta, dy []T
	alpha, shift       T
}

func newPointwiseProblem[T Float](derf bool, rows, cols int, mean, deviation float64) pointwiseProblem[T] {
	as := func(x []float32) []T {
		y := make([]T, len(x))
		for i, v := range x {
			y[i] = T(v)
		}
		return y
	}
	p := pointwiseProblem[T]{
		derf: derf, rows: rows, cols: cols,
		x: as(made(1, rows*cols, mean, deviation)), dy: as(made(2, rows*cols, 0, 1)),
		gamma: as(made(3, cols, 0, 1)), beta: as(made(4, cols, 0, 1)),
		alpha: 0.5,
	}
	if derf {
		p.shift = 0.25
	}
	return p
}

// pointwiseResults are y, dx, dγ, dβ, and dα and, for Derf, dshift.
type pointwiseResults[T Float] struct {
	y, dx, dgamma, dbeta []T
	scalars              []float64
}

// runner returns a function that works in the same memory each time. Without γ and β
// there are no gradients of them.
func (p pointwiseProblem[T]) runner() func() pointwiseResults[T] {
	n := len(p.x)
	r := pointwiseResults[T]{y: make([]T, n), dx: make([]T, n)}
	if p.gamma != nil {
		r.dgamma = make([]T, p.cols)
	}
	if p.beta != nil {
		r.dbeta = make([]T, p.cols)
	}
	norm, scalars := newPointwise[T](p.derf, p.cols), [2]float64{}
	r.scalars = scalars[:1]
	if p.derf {
		r.scalars = scalars[:]
	}
	return func() pointwiseResults[T] {
		norm.Forward(r.y, p.x, p.gamma, p.beta, p.alpha, p.shift)
		scalars[0], scalars[1] = norm.Backward(r.dx, r.dgamma, r.dbeta, p.x, p.gamma, p.dy, p.alpha, p.shift)
		return r
	}
}

func newPointwise[T Float](derf bool, cols int) *Pointwise[T] {
	if derf {
		return NewDerf[T](cols)
	}
	return NewDyT[T](cols)
}

// formula computes the same in float64, from the definition.
func (p pointwiseProblem[T]) formula() (want pointwiseResults[float64]) {
	want.y, want.dx = make([]float64, len(p.x)), make([]float64, len(p.x))
	want.dgamma, want.dbeta = make([]float64, p.cols), make([]float64, p.cols)
	var dalpha, dshift float64
	for i, x := range p.x {
		gamma, beta, j := 1.0, 0.0, i%p.cols
		if p.gamma != nil {
			gamma = float64(p.gamma[j])
		}
		if p.beta != nil {
			beta = float64(p.beta[j])
		}
		u, dy := float64(p.alpha)*float64(x)+float64(p.shift), float64(p.dy[i])
		f, slope := math.Tanh(u), 1/(math.Cosh(u)*math.Cosh(u))
		if p.derf {
			f, slope = math.Erf(u), 2/math.SqrtPi*math.Exp(-u*u)
		}
		want.y[i] = gamma*f + beta
		want.dgamma[j] += dy * f
		want.dbeta[j] += dy
		want.dx[i] = dy * gamma * slope * float64(p.alpha)
		dalpha += dy * gamma * slope * float64(x)
		dshift += dy * gamma * slope
	}
	want.scalars = []float64{dalpha, dshift}[:1]
	if p.derf {
		want.scalars = want.scalars[:2]
	}
	return want
}

var pointwiseNames = map[bool]string{false: "DyT", true: "Derf"}

func TestPointwiseIsItsFormula(t *testing.T) {
	bothTypes(t,
		func(t *testing.T) { testPointwise[float32](t, 2e-6) }, // some 16 ε: sums over 300 rows in blocks
		func(t *testing.T) { testPointwise[float64](t, 4e-15) })
}

func testPointwise[T Float](t *testing.T, tolerance float64) {
	for _, derf := range []bool{false, true} {
		for _, size := range [][2]int{{1, 1}, {7, 5}, {300, 33}, {3, 500}} {
			for _, deviation := range []float64{1e-6, 1, 30} {
				for without := range 3 { // nothing, β, β and γ
					p := newPointwiseProblem[T](derf, size[0], size[1], 0, deviation)
					if without > 0 {
						p.beta = nil
					}
					if without > 1 {
						p.gamma = nil
					}
					if deviation < 1 {
						p.shift = 0
					}
					got, want := p.runner()(), p.formula()
					what := fmt.Sprintf("%s %v, deviation %g, without %d: ", pointwiseNames[derf], size, deviation, without)
					near(t, what+"y", want.y, got.y, tolerance)
					near(t, what+"dx", want.dx, got.dx, tolerance)
					if without < 2 {
						near(t, what+"dγ", want.dgamma, got.dgamma, tolerance)
					}
					if without < 1 {
						near(t, what+"dβ", want.dbeta, got.dbeta, tolerance)
					}
					near(t, what+"dα and dshift", want.scalars, got.scalars, 16*tolerance) // terms of both signs
				}
			}
		}
	}
}

// near bounds the largest error relative to the largest value.
func near[T Float](t *testing.T, what string, want []float64, got []T, tolerance float64) {
	t.Helper()
	require.Len(t, got, len(want), what)
	var worst, size float64
	for i, w := range want {
		d := math.Abs(float64(got[i]) - w)
		require.False(t, math.IsNaN(d), what)
		worst, size = max(worst, d), max(size, math.Abs(w))
	}
	require.LessOrEqual(t, worst, tolerance*size, what)
}

// TestPointwiseIsTheSameAtAnyNumberOfThreads also checks that it allocates nothing after the
// first run.
func TestPointwiseIsTheSameAtAnyNumberOfThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for derf, name := range pointwiseNames {
		p := newPointwiseProblem[float32](derf, 700, 130, 0, 1)
		runtime.GOMAXPROCS(1)
		want := p.runner()()
		for _, threads := range []int{2, 3, 8} {
			runtime.GOMAXPROCS(threads)
			require.Equal(t, want, p.runner()(), "%s, %d threads", name, threads)
		}
		run := p.runner()
		require.Zero(t, testing.AllocsPerRun(3, func() { run() }), name)
	}
}

// TestPointwiseAccuracyBesidePyTorch is TestAccuracyBesidePyTorch for DyT and Derf:
// tanh(alpha·x) and erf(alpha·x + shift), times weight, plus bias.
func TestPointwiseAccuracyBesidePyTorch(t *testing.T) {
	for _, c := range []struct {
		derf      bool
		deviation float64
		pytorch   []float64 // y, dx, dγ, dβ, dα and dshift
	}{
		{false, 1e-3, []float64{4.16e-08, 7.72e-08, 1.26e-07, 9.01e-08, 1.75e-07}},
		{false, 1, []float64{5.92e-08, 7.82e-08, 1.08e-07, 9.01e-08, 3.74e-08}},
		{false, 10, []float64{6.29e-08, 9.20e-08, 1.38e-07, 9.01e-08, 8.90e-07}},
		{true, 1e-3, []float64{6.08e-08, 1.23e-07, 9.58e-08, 9.01e-08, 9.87e-08, 1.14e-07}},
		{true, 1, []float64{5.53e-08, 1.48e-07, 1.18e-07, 9.01e-08, 1.06e-07, 4.38e-09}},
		{true, 10, []float64{5.81e-08, 1.74e-07, 1.42e-07, 9.01e-08, 6.97e-08, 1.28e-07}},
	} {
		p := newPointwiseProblem[float32](c.derf, 64, 500, 0, c.deviation)
		got, want := p.runner()(), p.formula()
		ours := []float64{
			largestError(want.y, got.y), largestError(want.dx, got.dx),
			largestError(want.dgamma, got.dgamma), largestError(want.dbeta, got.dbeta),
		}
		for i, w := range want.scalars {
			ours = append(ours, math.Abs(float64(float32(got.scalars[i]))-w)/math.Abs(w))
		}
		holdToPyTorch(t, fmt.Sprintf("%s × %g", pointwiseNames[c.derf], c.deviation), 0, ours, c.pytorch)
	}
}
