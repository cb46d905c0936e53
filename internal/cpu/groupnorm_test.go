package cpu

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// groupShapes have rows, features last, first and in the middle, and groups of one feature and of
// all.
var groupShapes = []GroupShape{
	{1, 1, 1, 1, 1}, {5, 1, 12, 1, 3}, {300, 1, 64, 1, 8}, {3, 1, 7, 1, 7},
	{2, 3, 4, 1, 2}, {3, 150, 6, 1, 2}, {2, 9, 5, 1, 5},
	{2, 1, 4, 3, 2}, {3, 1, 6, 49, 3}, {2, 1, 8, 70, 1}, {2, 1, 4, 1000, 4}, {1, 1, 4, 5003, 2},
	{2, 3, 4, 5, 2}, {2, 20, 6, 65, 3}, {2, 3, 4, 300, 1},
}

type groupProblem[T Float] struct {
	GroupShape
	x, gamma, beta, dy []T
	affine             bool
}

func newGroupProblem[T Float](s GroupShape, mean, deviation float64) *groupProblem[T] {
	n := s.Samples * s.Outer * s.Features * s.Inner
	return &groupProblem[T]{
		s, normals[T](n, mean, deviation),
		normals[T](s.Features, 1, 0.2), normals[T](s.Features, 0, 1), normals[T](n+1, 0, 1)[1:], true,
	}
}

type groupResults[T Float] struct{ y, dx, dgamma, dbeta, rstd []T }

func (r groupResults[T]) clone() groupResults[T] {
	return groupResults[T]{
		slices.Clone(r.y), slices.Clone(r.dx), slices.Clone(r.dgamma), slices.Clone(r.dbeta), slices.Clone(r.rstd),
	}
}

func (p *groupProblem[T]) norm(eps float64) *GroupNorm[T] {
	return &GroupNorm[T]{GroupShape: p.GroupShape, Eps: eps}
}

// runner returns a function that runs one GroupNorm forward and backward.
func (p *groupProblem[T]) runner(eps float64) func() groupResults[T] {
	n, size, c := p.norm(eps), len(p.x), p.Features
	r := groupResults[T]{y: make([]T, size), dx: make([]T, size), dgamma: make([]T, c), dbeta: make([]T, c)}
	gamma, beta := p.gamma, p.beta
	if !p.affine {
		gamma, beta, r.dgamma, r.dbeta = nil, nil, nil, nil
	}
	return func() groupResults[T] {
		n.Forward(r.y, p.x, gamma, beta)
		n.Backward(r.dx, r.dgamma, r.dbeta, p.x, gamma, p.dy)
		if r.rstd = n.rstd; n.rows != nil {
			r.rstd = n.rows.rstd
		}
		return r
	}
}

// group returns where the elements of a sample's group are, and the feature of each.
func (p *groupProblem[T]) group(sample, group int) (at, feature []int) {
	size := p.groupSize()
	for o := range p.Outer {
		for c := group * size; c < (group+1)*size; c++ {
			for i := range p.Inner {
				at = append(at, ((sample*p.Outer+o)*p.Features+c)*p.Inner+i)
				feature = append(feature, c)
			}
		}
	}
	return at, feature
}

// oracle returns what the formulas give in float64.
func (p *groupProblem[T]) oracle(eps float64) groupResults[float64] {
	n := len(p.x)
	r := groupResults[float64]{y: make([]float64, n), dx: make([]float64, n)}
	r.dgamma, r.dbeta = make([]float64, p.Features), make([]float64, p.Features)
	one := func(s []T, c int, missing float64) float64 {
		if p.affine {
			return float64(s[c])
		}
		return missing
	}
	for s := range p.Samples {
		for g := range p.Groups {
			at, feature := p.group(s, g)
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
				c, dy := feature[i], float64(p.dy[k])
				r.y[k] = xhat(k)*one(p.gamma, c, 1) + one(p.beta, c, 0)
				r.dgamma[c] += dy * xhat(k)
				r.dbeta[c] += dy
				sumG += dy * one(p.gamma, c, 1) / n
				sumGX += dy * one(p.gamma, c, 1) * xhat(k) / n
			}
			for i, k := range at {
				r.dx[k] = rstd * (float64(p.dy[k])*one(p.gamma, feature[i], 1) - sumG - xhat(k)*sumGX)
			}
			r.rstd = append(r.rstd, rstd)
		}
	}
	return r
}

// requireCloseTo allows errors relative to the size of a result's terms.
func (p *groupProblem[T]) requireCloseTo(
	t *testing.T, want groupResults[float64], got groupResults[T], tolerance float64,
) {
	t.Helper()
	for s := range p.Samples {
		for g := range p.Groups {
			rstd := want.rstd[s*p.Groups+g]
			require.InEpsilon(t, rstd, got.rstd[s*p.Groups+g], 2*tolerance)
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
	terms := 3 * (1 + math.Sqrt(float64(p.Samples*p.Outer*p.Inner)))
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

// TestGroupNormOfHardNumbers has means that hide the deviation, features far from each other,
// squares that overflow float32 or vanish, and constants.
func TestGroupNormOfHardNumbers(t *testing.T) {
	const tiny = 1e-70 // eps beside the smallest variance
	for _, shape := range groupShapes {
		for _, data := range []struct{ mean, deviation, apart, eps float64 }{
			{1e4, 1, 0, 1e-5}, {1e6, 1, 0, 1e-5}, {0, 1, 1e5, 1e-5},
			{1e30, 1e30, 0, tiny}, {0, 1e-25, 0, tiny}, {3, 0, 0, 1e-5},
		} {
			t.Run(fmt.Sprint(shape, data), func(t *testing.T) {
				p := newGroupProblem[float32](shape, data.mean, data.deviation)
				for i := range p.x {
					p.x[i] += float32(data.apart * float64(i/p.Inner%p.Features))
				}
				if p.Outer*p.Inner*p.groupSize() == 1 {
					data.eps = 1 // the variance of one number is 0
				}
				p.requireCloseTo(t, p.oracle(data.eps), p.runner(data.eps)(), 2e-6)
			})
		}
	}
}

// TestNaNStaysInItsGroup at the beginning of x and at its end.
func TestNaNStaysInItsGroup(t *testing.T) {
	for _, shape := range groupShapes {
		for _, where := range []struct{ sample, group int }{{0, 0}, {shape.Samples - 1, shape.Groups - 1}} {
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

// TestGroupNormIsTheSameAtAnyNumberOfThreads and allocates nothing after the first pass. The last
// shapes are written past the caches if their rows are whole cache lines.
func TestGroupNormIsTheSameAtAnyNumberOfThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	large := []GroupShape{{17, 1, 64, 4096, 8}, {17, 4096, 64, 1, 8}, {33, 1, 64, 2100, 8}}
	if testing.Short() {
		large = nil
	}
	for _, shape := range slices.Concat(groupShapes, large) {
		p := newGroupProblem[float32](shape, 3, 1)
		run := p.runner(1e-5)
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
			p.requireCloseTo(t, p.oracle(1e-5), r, 1e-6)
		}
	}
}
