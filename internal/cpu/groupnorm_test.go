package cpu

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// groupShapes are samples, outer, channels, inner and groups: rows, features last,
// features first, in the middle, and groups of one channel and of all.
var groupShapes = [][5]int{
	{1, 1, 1, 1, 1}, {5, 1, 12, 1, 3}, {300, 1, 64, 1, 8}, {3, 1, 7, 1, 7},
	{2, 3, 4, 1, 2}, {3, 150, 6, 1, 2}, {2, 9, 5, 1, 5},
	{2, 1, 4, 3, 2}, {3, 1, 6, 49, 3}, {2, 1, 8, 70, 1}, {2, 1, 4, 1000, 4}, {1, 1, 4, 5003, 2},
	{2, 3, 4, 5, 2}, {2, 20, 6, 65, 3}, {2, 3, 4, 300, 1},
}

type groupProblem[T Float] struct {
	samples, outer, channels, inner, groups int
	x, gamma, beta, dy                      []T
	affine                                  bool
}

func newGroupProblem[T Float](s [5]int, mean, deviation float64) *groupProblem[T] {
	n := s[0] * s[1] * s[2] * s[3]
	return &groupProblem[T]{
		s[0], s[1], s[2], s[3], s[4],
		normals[T](n, mean, deviation), normals[T](s[2], 1, 0.2), normals[T](s[2], 0, 1), normals[T](n+1, 0, 1)[1:], true,
	}
}

type groupResults[T Float] struct{ y, dx, dgamma, dbeta, rstd []T }

func (p *groupProblem[T]) runner(eps float64) func() groupResults[T] {
	n, c, g := len(p.x), p.channels, p.samples*p.groups
	r := groupResults[T]{make([]T, n), make([]T, n), make([]T, c), make([]T, c), make([]T, g)}
	mean, shift := make([]T, g), make([]T, g)
	gamma, beta := p.gamma, p.beta
	if !p.affine {
		gamma, beta, r.dgamma, r.dbeta = nil, nil, nil, nil
	}
	return func() groupResults[T] {
		GroupNorm(r.y, p.x, gamma, beta, mean, shift, r.rstd, p.samples, p.outer, p.channels, p.inner, p.groups, eps)
		GroupNormBackward(r.dx, r.dgamma, r.dbeta, p.x, gamma, mean, shift, r.rstd, p.dy, p.samples, p.outer, p.channels, p.inner, p.groups, eps)
		return r
	}
}

// group is where the elements of one are, and the channel of each.
func (p *groupProblem[T]) group(sample, group int) (at, channel []int) {
	size := p.channels / p.groups
	for o := range p.outer {
		for c := group * size; c < (group+1)*size; c++ {
			for i := range p.inner {
				at = append(at, ((sample*p.outer+o)*p.channels+c)*p.inner+i)
				channel = append(channel, c)
			}
		}
	}
	return at, channel
}

// oracle is the formulas in float64.
func (p *groupProblem[T]) oracle(eps float64) groupResults[float64] {
	n := len(p.x)
	r := groupResults[float64]{make([]float64, n), make([]float64, n), make([]float64, p.channels), make([]float64, p.channels), nil}
	one := func(s []T, c int, missing float64) float64 {
		if p.affine {
			return float64(s[c])
		}
		return missing
	}
	for s := range p.samples {
		for g := range p.groups {
			at, channel := p.group(s, g)
			n := float64(len(at))
			var mean, variance, sumG, sumGX float64
			for _, k := range at {
				mean += float64(p.x[k])
			}
			mean /= n
			for _, k := range at {
				variance += (float64(p.x[k]) - mean) * (float64(p.x[k]) - mean) / n
			}
			rstd := 1 / math.Sqrt(variance+eps)
			xhat := func(k int) float64 { return (float64(p.x[k]) - mean) * rstd }
			for i, k := range at {
				c, dy := channel[i], float64(p.dy[k])
				r.y[k] = xhat(k)*one(p.gamma, c, 1) + one(p.beta, c, 0)
				r.dgamma[c] += dy * xhat(k)
				r.dbeta[c] += dy
				sumG += dy * one(p.gamma, c, 1) / n
				sumGX += dy * one(p.gamma, c, 1) * xhat(k) / n
			}
			for i, k := range at {
				r.dx[k] = rstd * (float64(p.dy[k])*one(p.gamma, channel[i], 1) - sumG - xhat(k)*sumGX)
			}
			r.rstd = append(r.rstd, rstd)
		}
	}
	return r
}

// requireCloseTo allows a rounding error beside what the terms of a result add up to.
func (p *groupProblem[T]) requireCloseTo(t *testing.T, want groupResults[float64], got groupResults[T], tolerance float64) {
	t.Helper()
	for s := range p.samples {
		for g := range p.groups {
			rstd := want.rstd[s*p.groups+g]
			require.InEpsilon(t, rstd, got.rstd[s*p.groups+g], 2*tolerance)
			at, _ := p.group(s, g)
			for _, k := range at {
				if !(math.Abs(want.y[k]-float64(got.y[k])) <= tolerance*(3+math.Abs(want.y[k]))) {
					t.Fatalf("y[%d] is %g, want %g", k, got.y[k], want.y[k])
				}
				if !(math.Abs(want.dx[k]-float64(got.dx[k])) <= tolerance*rstd*(3+math.Abs(float64(p.dy[k])))) {
					t.Fatalf("dx[%d] is %g, want %g", k, got.dx[k], want.dx[k])
				}
			}
		}
	}
	terms := 3 * (1 + math.Sqrt(float64(p.samples*p.outer*p.inner)))
	for c := range got.dgamma {
		require.InDelta(t, want.dgamma[c], got.dgamma[c], tolerance*terms)
		require.InDelta(t, want.dbeta[c], got.dbeta[c], tolerance*terms)
	}
}

func TestGroupNormOfEveryShape(t *testing.T) {
	bothTypes(t, testGroupNorm[float32], testGroupNorm[float64])
}

func testGroupNorm[T Float](t *testing.T) {
	tolerance := 1e-6 // some roundings
	if _, ok := any(T(0)).(float64); ok {
		tolerance = 1e-14
	}
	for _, shape := range groupShapes {
		for _, affine := range []bool{true, false} {
			t.Run(fmt.Sprint(shape, affine), func(t *testing.T) {
				p := newGroupProblem[T](shape, 0.5, 2)
				p.affine = affine
				p.requireCloseTo(t, p.oracle(1e-5), p.runner(1e-5)(), tolerance)
			})
		}
	}
}

// TestGroupNormOfHardNumbers: of means that hide the deviation, of channels far from
// each other, of squares that overflow float32 or vanish, and of constants.
func TestGroupNormOfHardNumbers(t *testing.T) {
	const tiny = 1e-70 // eps beside the smallest variance
	for _, shape := range groupShapes {
		for _, data := range []struct{ mean, deviation, apart, eps float64 }{
			{1e4, 1, 0, 1e-5}, {1e6, 1, 0, 1e-5}, {0, 1, 1e5, 1e-5}, {1e30, 1e30, 0, tiny}, {0, 1e-25, 0, tiny}, {3, 0, 0, 1e-5},
		} {
			t.Run(fmt.Sprint(shape, data), func(t *testing.T) {
				p := newGroupProblem[float32](shape, data.mean, data.deviation)
				for i := range p.x {
					p.x[i] += float32(data.apart * float64(i/p.inner%p.channels))
				}
				if p.outer*p.inner*p.channels == p.groups {
					data.eps = 1 // of one number, the variance is 0
				}
				p.requireCloseTo(t, p.oracle(data.eps), p.runner(data.eps)(), 2e-6)
			})
		}
	}
}

// TestNaNStaysInItsGroup, at the beginning of x and at its end.
func TestNaNStaysInItsGroup(t *testing.T) {
	for _, shape := range groupShapes {
		for _, where := range []struct{ sample, group int }{{0, 0}, {shape[0] - 1, shape[4] - 1}} {
			p := newGroupProblem[float32](shape, 0, 1)
			want := p.runner(1e-5)()
			hit, _ := p.group(where.sample, where.group)
			if where.sample == 0 {
				p.x[hit[0]] = float32(math.NaN())
			} else {
				p.x[hit[len(hit)-1]] = float32(math.NaN())
			}
			got := p.runner(1e-5)()
			for k := range p.x {
				if slices.Contains(hit, k) {
					require.True(t, math.IsNaN(float64(got.y[k])) && math.IsNaN(float64(got.dx[k])), "%v", shape)
				} else {
					require.Equal(t, [2]float32{want.y[k], want.dx[k]}, [2]float32{got.y[k], got.dx[k]}, "%v", shape)
				}
			}
		}
	}
}

// TestGroupNormIsTheSameAtAnyNumberOfThreads, and allocates nothing from the second
// time on. The last are written past the caches where their lines allow it.
func TestGroupNormIsTheSameAtAnyNumberOfThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, shape := range append(slices.Clone(groupShapes), [5]int{17, 1, 64, 4096, 8}, [5]int{17, 4096, 64, 1, 8}, [5]int{33, 1, 64, 2100, 8}) {
		p := newGroupProblem[float32](shape, 3, 1)
		run := p.runner(1e-5)
		runtime.GOMAXPROCS(1)
		r := run()
		want := groupResults[float32]{slices.Clone(r.y), slices.Clone(r.dx), slices.Clone(r.dgamma), slices.Clone(r.dbeta), slices.Clone(r.rstd)}
		for _, threads := range []int{2, 5} {
			runtime.GOMAXPROCS(threads)
			require.Equal(t, want, run(), "%v, %d threads", shape, threads)
		}
		runtime.GOMAXPROCS(2)
		require.Zero(t, testing.AllocsPerRun(3, func() { run() }), "%v", shape)
		if len(p.x)*4 >= streamBytes {
			p.requireCloseTo(t, p.oracle(1e-5), r, 1e-6)
		}
	}
}
