package cpu

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// batchShapes are outer, features and inner: rows of single elements, of short segments and of
// long ones, with and without a tail.
var batchShapes = [][3]int{
	{1, 1, 1}, {5, 3, 1}, {1, 3, 2}, {9, 5, 2}, {300, 2, 3}, {7, 1, 63}, {2, 3, 64}, {3, 2, 65}, {9, 40, 49},
	{150, 3, 65}, {1, 4, 1000}, {20, 3, 1000}, {2, 1, 5003}, {1, 2, 20000}, {1000, 1, 1},
}

// batchProblem is the input of a BatchNorm.
type batchProblem[T Float] struct {
	outer, features, inner int
	x, gamma, beta, dy     []T
}

func newBatchProblem[T Float](shape [3]int, mean, deviation float64) *batchProblem[T] {
	n := shape[0] * shape[1] * shape[2]
	p := &batchProblem[T]{outer: shape[0], features: shape[1], inner: shape[2]}
	p.x, p.dy = normals[T](n, mean, deviation), normals[T](n+1, 0, 1)[1:]
	p.gamma, p.beta = normals[T](p.features, 1, 0.1), normals[T](p.features, 0, 1)
	return p
}

// batchResults are y, dx, dγ, dβ, the mean, its rest and the variance.
type batchResults[T Float] struct {
	y, dx, dgamma, dbeta []T
	mean, rest, variance []float64
}

// newBatchResults returns results of n elements.
func newBatchResults[T Float](n, features int) *batchResults[T] {
	return &batchResults[T]{
		make([]T, n), make([]T, n), make([]T, features), make([]T, features),
		make([]float64, features), make([]float64, features), make([]float64, features),
	}
}

func (r *batchResults[T]) clone() *batchResults[T] {
	return &batchResults[T]{
		slices.Clone(r.y), slices.Clone(r.dx), slices.Clone(r.dgamma), slices.Clone(r.dbeta),
		slices.Clone(r.mean), slices.Clone(r.rest), slices.Clone(r.variance),
	}
}

// givenStatistics are statistics other than the batch's own.
type givenStatistics[T Float] struct{ mean, variance []T }

func (p *batchProblem[T]) norm(eps float64) *BatchNorm[T] {
	return &BatchNorm[T]{Features: p.features, Inner: p.inner, Eps: eps}
}

// runner returns a function that runs one BatchNorm forward and backward, with the batch's own
// statistics or with the given ones.
func (p *batchProblem[T]) runner(eps float64, given *givenStatistics[T]) func() *batchResults[T] {
	n, r := p.norm(eps), newBatchResults[T](len(p.x), p.features)
	return func() *batchResults[T] {
		if given != nil {
			n.Evaluate(r.y, p.x, p.gamma, p.beta, given.mean, given.variance)
		} else {
			n.Forward(r.y, p.x, p.gamma, p.beta)
		}
		n.Backward(r.dx, r.dgamma, r.dbeta, p.x, p.gamma, p.dy)
		r.mean, r.rest, r.variance = n.Mean, n.norm.rests, n.Variance
		return r
	}
}

// at returns where the elements of a feature are.
func (p *batchProblem[T]) at(feature int) (at []int) {
	for o := range p.outer {
		for i := range p.inner {
			at = append(at, (o*p.features+feature)*p.inner+i)
		}
	}
	return at
}

// oracle returns what the formulas give in float64.
func (p *batchProblem[T]) oracle(eps float64, given *givenStatistics[T]) *batchResults[float64] {
	r := newBatchResults[float64](len(p.x), p.features)
	for c := range p.features {
		at := p.at(c)
		n := float64(len(at))
		for _, k := range at {
			r.mean[c] += float64(p.x[k])
		}
		r.mean[c] /= n
		for _, k := range at {
			d := float64(p.x[k]) - r.mean[c]
			r.variance[c] += d * d / n
		}
		if given != nil {
			r.mean[c], r.variance[c] = float64(given.mean[c]), float64(given.variance[c])
		}
		rstd := 1 / math.Sqrt(r.variance[c]+eps)
		xhat := func(k int) float64 { return (float64(p.x[k]) - r.mean[c]) * rstd }
		for _, k := range at {
			r.y[k] = xhat(k)*float64(p.gamma[c]) + float64(p.beta[c])
			r.dgamma[c] += float64(p.dy[k]) * xhat(k)
			r.dbeta[c] += float64(p.dy[k])
		}
		for _, k := range at {
			r.dx[k] = float64(p.dy[k])
			if given == nil {
				r.dx[k] -= r.dbeta[c]/n + xhat(k)*r.dgamma[c]/n
			}
			r.dx[k] *= float64(p.gamma[c]) * rstd
		}
	}
	return r
}

// requireClose compares a feature at a time. The tolerance is relative to the size of the terms:
// γ and β for y, γ·rstd for dx, and for dγ and dβ the root of their number.
func requireClose[T Float](
	t *testing.T, p *batchProblem[T], want *batchResults[float64], got *batchResults[T], eps, tolerance float64,
) {
	t.Helper()
	for c := range p.features {
		n, gamma := float64(p.outer*p.inner), math.Abs(float64(p.gamma[c]))
		rstd := 1 / math.Sqrt(want.variance[c]+eps)
		y := gamma + math.Abs(float64(p.beta[c]))
		for _, k := range p.at(c) {
			if !(math.Abs(want.y[k]-float64(got.y[k])) <= tolerance*(y+math.Abs(want.y[k]))) {
				t.Fatalf("y[%d] is %g, want %g", k, got.y[k], want.y[k])
			}
			if !(math.Abs(want.dx[k]-float64(got.dx[k])) <= tolerance*gamma*rstd*(3+math.Abs(float64(p.dy[k])))) {
				t.Fatalf("dx[%d] is %g, want %g", k, got.dx[k], want.dx[k])
			}
		}
		require.InDelta(t, want.dgamma[c], got.dgamma[c], tolerance*(1+math.Sqrt(n))*3)
		require.InDelta(t, want.dbeta[c], got.dbeta[c], tolerance*(1+math.Sqrt(n))*3)
		deviation := math.Sqrt(want.variance[c])
		rounding := 1e-13 * math.Abs(want.mean[c]) // of the oracle
		require.InDelta(t, want.mean[c], got.mean[c], tolerance*deviation+rounding)
		require.InDelta(t, want.variance[c], got.variance[c], 4*tolerance*want.variance[c]+rounding*rounding)
	}
}

func TestBatchNormOfEveryShape(t *testing.T) {
	bothTypes(t, testBatchNorm[float32], testBatchNorm[float64])
}

func testBatchNorm[T Float](t *testing.T) {
	tolerance := 1e-6 // some roundings
	if _, ok := any(T(0)).(float64); ok {
		tolerance = 1e-14
	}
	const eps = 1e-5
	for _, shape := range batchShapes {
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			p := newBatchProblem[T](shape, 0.5, 2)
			requireClose(t, p, p.oracle(eps, nil), p.runner(eps, nil)(), eps, tolerance)

			given := &givenStatistics[T]{normals[T](p.features, 0, 1), make([]T, p.features)}
			for c := range given.variance {
				given.variance[c] = 0.5 + T(c)
			}
			requireClose(t, p, p.oracle(eps, given), p.runner(eps, given)(), eps, tolerance)
		})
	}
}

// TestBatchNormOfHardNumbers has means that hide the deviation, squares that overflow float32 or
// vanish, and constants.
func TestBatchNormOfHardNumbers(t *testing.T) {
	const tiny = 1e-90 // eps beside the smallest variance
	for _, shape := range batchShapes {
		for _, data := range []struct{ mean, deviation, eps float64 }{
			{1e4, 1, 1e-5}, {1e6, 1, 1e-5}, {-1e6, 1e2, 0}, {1e30, 1e30, tiny},
			{0, 1e-25, tiny}, {0, 1e-40, tiny}, {3, 0, 1e-5},
		} {
			t.Run(fmt.Sprint(shape, data), func(t *testing.T) {
				p := newBatchProblem[float32](shape, data.mean, data.deviation)
				if p.outer*p.inner == 1 {
					data.eps = 1 // the variance of one number is 0
				}
				want, got := p.oracle(data.eps, nil), p.runner(data.eps, nil)()
				if data.deviation == 1e-40 { // 1/deviation overflows float32
					require.NotContains(t, fmt.Sprint(got.mean, got.variance), "NaN")
					for c, v := range want.variance {
						require.InDelta(t, want.mean[c], got.mean[c], 1e-6*math.Sqrt(v))
						require.InDelta(t, v, got.variance[c], 1e-6*v)
					}
					return
				}
				requireClose(t, p, want, got, data.eps, 2e-6)
			})
		}
	}
}

func TestNaNStaysInItsFeature(t *testing.T) {
	const eps = 1e-5
	for _, shape := range batchShapes {
		p := newBatchProblem[float32](shape, 0, 1)
		want := p.runner(eps, nil)()
		p.x[p.at(p.features / 2)[p.outer*p.inner-1]] = float32(math.NaN())
		got := p.runner(eps, nil)()
		for c := range p.features {
			for _, k := range p.at(c) {
				if c == p.features/2 {
					require.True(t, math.IsNaN(float64(got.y[k])) && math.IsNaN(float64(got.dx[k])), "%v", shape)
				} else {
					require.Equal(t, [2]float32{want.y[k], want.dx[k]}, [2]float32{got.y[k], got.dx[k]}, "%v", shape)
				}
			}
		}
	}
}

// TestAnOutlierInThePilotIsNoticed in each layout of x.
func TestAnOutlierInThePilotIsNoticed(t *testing.T) {
	for _, shape := range [][3]int{{20000, 3, 1}, {500, 3, 40}, {20, 3, 1000}} {
		p := newBatchProblem[float32](shape, 0, 1)
		for c := range p.features {
			p.x[p.at(c)[0]] = 1e6 // the first element is part of every pilot
		}
		want, got := p.oracle(1e-5, nil), p.runner(1e-5, nil)()
		for c, v := range want.variance {
			assert.InEpsilon(t, v, got.variance[c], 1e-6)
			assert.InDelta(t, want.mean[c], got.mean[c], 1e-6*math.Sqrt(v))
		}
	}
}

// TestBatchNormIsTheSameAtAnyNumberOfThreads and allocates nothing after the first pass. The last
// shapes are written past the caches if their rows are whole cache lines.
func TestBatchNormIsTheSameAtAnyNumberOfThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	large := [][3]int{{600, 160, 48}, {33, 64, 2096}, {33, 64, 2100}}
	if testing.Short() {
		large = large[:1]
	}
	for _, shape := range slices.Concat(batchShapes, large) {
		p := newBatchProblem[float32](shape, 3, 1)
		run := p.runner(1e-5, nil)
		runtime.GOMAXPROCS(1)
		r := run()
		want := r.clone()
		for _, threads := range []int{2, 5} {
			runtime.GOMAXPROCS(threads)
			require.Equal(t, want, run(), "%v, %d threads", shape, threads)
		}
		runtime.GOMAXPROCS(2)
		require.Zero(t, testing.AllocsPerRun(3, func() { run() }), "%v", shape)
		if len(p.x)*4 >= streamBytes {
			requireClose(t, p, p.oracle(1e-5, nil), r, 1e-5, 1e-6)
		}
	}
}
