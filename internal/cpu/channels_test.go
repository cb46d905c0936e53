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

// batchShapes are outer, channels and inner: rows of single elements, of short
// segments and of long ones, with and without a rest.
var batchShapes = [][3]int{
	{1, 1, 1}, {5, 3, 1}, {1, 3, 2}, {9, 5, 2}, {300, 2, 3}, {7, 1, 63}, {2, 3, 64}, {3, 2, 65}, {9, 40, 49},
	{150, 3, 65}, {1, 4, 1000}, {20, 3, 1000}, {2, 1, 5003}, {1, 2, 20000}, {1000, 1, 1},
}

// batchProblem is the inputs of a BatchNorm in element type T.
type batchProblem[T Float] struct {
	outer, channels, inner int
	x, gamma, beta, dy     []T
}

func newBatchProblem[T Float](shape [3]int, mean, deviation float64) *batchProblem[T] {
	n := shape[0] * shape[1] * shape[2]
	p := &batchProblem[T]{outer: shape[0], channels: shape[1], inner: shape[2]}
	p.x, p.dy = normals[T](n, mean, deviation), normals[T](n+1, 0, 1)[1:]
	p.gamma, p.beta = normals[T](p.channels, 1, 0.1), normals[T](p.channels, 0, 1)
	return p
}

// batchResults are y, dx, dγ and dβ, mean, the rest of that, and variance.
type batchResults[T Float] struct {
	y, dx, dgamma, dbeta []T
	mean, rest, variance []float64
}

// runner gives a function that takes BatchNorm forward and backward, with the batch's
// statistics or with those given.
func (p *batchProblem[T]) runner(eps float64, given *batchResults[T]) func() *batchResults[T] {
	n, c := len(p.x), p.channels
	r := &batchResults[T]{make([]T, n), make([]T, n), make([]T, c), make([]T, c), make([]float64, c), make([]float64, c), make([]float64, c)}
	if given != nil {
		r.mean, r.variance = given.mean, given.variance
	}
	return func() *batchResults[T] {
		if given != nil {
			ColumnNorm(r.y, p.x, p.gamma, p.beta, r.mean, r.variance, p.outer, c, p.inner, eps)
		} else {
			BatchNorm(r.y, p.x, p.gamma, p.beta, r.mean, r.rest, r.variance, p.outer, c, p.inner, eps)
		}
		ColumnNormBackward(r.dx, r.dgamma, r.dbeta, p.x, p.gamma, r.mean, r.rest, r.variance, p.dy, p.outer, c, p.inner, eps, given == nil)
		return r
	}
}

// channel is where the elements of one are.
func (p *batchProblem[T]) channel(c int) (at []int) {
	for o := range p.outer {
		for i := range p.inner {
			at = append(at, (o*p.channels+c)*p.inner+i)
		}
	}
	return at
}

// oracle is the formulas in float64.
func (p *batchProblem[T]) oracle(eps float64, given *batchResults[T]) *batchResults[float64] {
	size, c := len(p.x), p.channels
	r := &batchResults[float64]{make([]float64, size), make([]float64, size), make([]float64, c), make([]float64, c), make([]float64, c), make([]float64, c), make([]float64, c)}
	for c := range c {
		at := p.channel(c)
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
			r.mean[c], r.variance[c] = given.mean[c], given.variance[c]
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

// requireClose compares a channel at a time, beside what its terms add up to: γ and β
// for y, γ·rstd for dx, and for dγ and dβ the root of how many there are.
func requireClose[T Float](t *testing.T, p *batchProblem[T], want *batchResults[float64], got *batchResults[T], eps, tolerance float64) {
	t.Helper()
	for c := range p.channels {
		n, gamma := float64(p.outer*p.inner), math.Abs(float64(p.gamma[c]))
		rstd := 1 / math.Sqrt(want.variance[c]+eps)
		y := gamma + math.Abs(float64(p.beta[c]))
		for _, k := range p.channel(c) {
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

			given := &batchResults[T]{mean: normals[float64](p.channels, 0, 1), variance: make([]float64, p.channels)}
			for c := range given.variance {
				given.variance[c] = 0.5 + float64(c)
			}
			requireClose(t, p, p.oracle(eps, given), p.runner(eps, given)(), eps, tolerance)
		})
	}
}

// TestBatchNormOfHardNumbers: of means that hide the deviation, of squares that
// overflow float32 or vanish, and of constants.
func TestBatchNormOfHardNumbers(t *testing.T) {
	const tiny = 1e-90 // eps beside the smallest variance
	for _, shape := range batchShapes {
		for _, data := range []struct{ mean, deviation, eps float64 }{
			{1e4, 1, 1e-5}, {1e6, 1, 1e-5}, {-1e6, 1e2, 0}, {1e30, 1e30, tiny}, {0, 1e-25, tiny}, {0, 1e-40, tiny}, {3, 0, 1e-5},
		} {
			t.Run(fmt.Sprint(shape, data), func(t *testing.T) {
				p := newBatchProblem[float32](shape, data.mean, data.deviation)
				if p.outer*p.inner == 1 {
					data.eps = 1 // of one number, the variance is 0
				}
				want, got := p.oracle(data.eps, nil), p.runner(data.eps, nil)()
				if data.deviation == 1e-40 { // 1/deviation is no float32
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

// TestNaNStaysInItsChannel.
func TestNaNStaysInItsChannel(t *testing.T) {
	const eps = 1e-5
	for _, shape := range batchShapes {
		p := newBatchProblem[float32](shape, 0, 1)
		want := p.runner(eps, nil)()
		p.x[p.channel(p.channels / 2)[p.outer*p.inner-1]] = float32(math.NaN())
		got := p.runner(eps, nil)()
		for c := range p.channels {
			for _, k := range p.channel(c) {
				if c == p.channels/2 {
					require.True(t, math.IsNaN(float64(got.y[k])) && math.IsNaN(float64(got.dx[k])), "%v", shape)
				} else {
					require.Equal(t, [2]float32{want.y[k], want.dx[k]}, [2]float32{got.y[k], got.dx[k]}, "%v", shape)
				}
			}
		}
	}
}

// TestAnOutlierInThePilotIsFoundOut, in each way that x can be laid out.
func TestAnOutlierInThePilotIsFoundOut(t *testing.T) {
	for _, shape := range [][3]int{{20000, 3, 1}, {500, 3, 40}, {20, 3, 1000}} {
		p := newBatchProblem[float32](shape, 0, 1)
		for c := range p.channels {
			p.x[p.channel(c)[0]] = 1e6 // the first element is part of any sample
		}
		want, got := p.oracle(1e-5, nil), p.runner(1e-5, nil)()
		for c, v := range want.variance {
			assert.InEpsilon(t, v, got.variance[c], 1e-6)
			assert.InDelta(t, want.mean[c], got.mean[c], 1e-6*math.Sqrt(v))
		}
	}
}

// TestBatchNormIsTheSameAtAnyNumberOfThreads, and allocates nothing from the second
// time on. The last are written past the caches where
// their lines allow it.
func TestBatchNormIsTheSameAtAnyNumberOfThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, shape := range append(slices.Clone(batchShapes), [3]int{33, 64, 2096}, [3]int{600, 160, 48}, [3]int{33, 64, 2100}) {
		p := newBatchProblem[float32](shape, 3, 1)
		run := p.runner(1e-5, nil)
		runtime.GOMAXPROCS(1)
		r := run()
		want := batchResults[float32]{slices.Clone(r.y), slices.Clone(r.dx), slices.Clone(r.dgamma), slices.Clone(r.dbeta), slices.Clone(r.mean), slices.Clone(r.rest), slices.Clone(r.variance)}
		for _, threads := range []int{2, 5} {
			runtime.GOMAXPROCS(threads)
			require.Equal(t, want, *run(), "%v, %d threads", shape, threads)
		}
		runtime.GOMAXPROCS(2)
		require.Zero(t, testing.AllocsPerRun(3, func() { run() }), "%v", shape)
		if len(p.x)*4 >= streamBytes {
			requireClose(t, p, p.oracle(1e-5, nil), r, 1e-5, 1e-6)
		}
	}
}
