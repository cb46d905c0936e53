package cpu

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// maskedProblem is GroupNorm, or RMSNorm of a part, of the elements that a random mask counts.
type maskedProblem[T Float] struct {
	sets                                     Sets
	mask                                     []int
	y, x, gamma, beta, dx, dy, dgamma, dbeta []T
	norm                                     MaskedNorm[T]
}

// newMaskedProblem returns a problem with x of shape (samples, features, inner). Every set begins
// with first unless that is 0.
func newMaskedProblem[T Float](
	samples, features, inner, groups int, centred bool, mean, first float64,
) *maskedProblem[T] {
	size := features / groups
	cols := size * inner
	p := &maskedProblem[T]{sets: Sets{
		Places:    NewPlaces([]int{samples, groups, size, inner}, []int{0, 1}, []int{2, 3}),
		Groups:    groups,
		Positions: inner,
		Part:      cols,
		Centred:   centred,
		Eps:       1e-5,
		Each:      true,
	}}
	if !centred {
		p.sets.Part = ceilDiv(cols, 3)
	}
	p.norm.Sets = p.sets
	rng := rand.New(rand.NewPCG(1, uint64(cols)))
	n := samples * features * inner
	for range n {
		p.x = append(p.x, T(mean+rng.NormFloat64()))
		p.dy = append(p.dy, T(rng.NormFloat64()))
		p.mask = append(p.mask, rng.IntN(3))
	}
	for i := 0; i < n && first != 0; i += cols {
		p.x[i], p.mask[i] = T(first), 1
	}
	for range features {
		p.gamma, p.beta = append(p.gamma, T(1+0.3*rng.NormFloat64())), append(p.beta, T(rng.NormFloat64()))
	}
	p.y, p.dx = make([]T, n), make([]T, n)
	p.dgamma, p.dbeta = make([]T, features), make([]T, features)
	return p
}

func (p *maskedProblem[T]) run() {
	p.norm.Forward(p.y, p.x, p.gamma, p.beta, p.mask)
	p.norm.Backward(p.dx, p.dgamma, p.dbeta, p.x, p.gamma, p.mask, p.dy)
}

// check compares the results with the formula in float64, with exact means. Sets follow each other
// in x.
func (p *maskedProblem[T]) check(t *testing.T, inner int) {
	cols, features := len(p.sets.Cols), len(p.gamma)
	dgamma, dbeta := make([]float64, features), make([]float64, features)
	// y and dx are rounded once; the float64 sums of both differ in order.
	unit := 0x1p-23
	if _, ok := any(p.x).([]float64); ok {
		unit = 0x1p-40
	}
	near := func(want float64, got T, what string, i int) {
		if !(math.Abs(want-float64(got)) <= unit*(1+math.Abs(want))) {
			t.Fatalf("%s[%d] is %v, want %v", what, i, got, want)
		}
	}
	for set := range len(p.x) / cols {
		from, to := set*cols, (set+1)*cols
		each := func(do func(i int, member bool)) {
			for i := from; i < to; i++ {
				if p.mask[i] != 0 {
					do(i, i-from < p.sets.Part)
				}
			}
		}
		n, mean := 0.0, bigFloat(0)
		each(func(i int, member bool) {
			if member {
				n++
				mean.Add(mean, bigFloat(float64(p.x[i])))
			}
		})
		if mean.Quo(mean, bigFloat(n)); !p.sets.Centred {
			mean.SetInt64(0)
		}
		variance, xhat := 0.0, make([]float64, len(p.x))
		each(func(i int, member bool) {
			d, _ := bigFloat(0).Sub(bigFloat(float64(p.x[i])), mean).Float64()
			xhat[i] = d
			if member {
				variance += d * d / n
			}
		})
		rstd := 1 / math.Sqrt(variance+p.sets.Eps)
		var sumG, sumGX float64
		each(func(i int, _ bool) {
			j, xhat := i/inner%features, xhat[i]*rstd
			near(float64(p.gamma[j])*xhat+float64(p.beta[j]), p.y[i], "y", i)
			g := float64(p.dy[i]) * float64(p.gamma[j])
			sumG, sumGX = sumG+g, sumGX+g*xhat
			dgamma[j] += float64(p.dy[i]) * xhat
			dbeta[j] += float64(p.dy[i])
		})
		if !p.sets.Centred {
			sumG = 0
		}
		each(func(i int, member bool) {
			d := float64(p.dy[i])*float64(p.gamma[i/inner%features]) - sumG/n
			if member {
				d -= xhat[i] * rstd * sumGX / n
			}
			near(d*rstd, p.dx[i], "dx", i)
		})
		for i := from; i < to; i++ {
			if p.mask[i] == 0 {
				require.Zero(t, p.y[i])
				require.Zero(t, p.dx[i])
			}
		}
	}
	for j := range features {
		near(dgamma[j], p.dgamma[j], "dγ", j)
		near(dbeta[j], p.dbeta[j], "dβ", j)
	}
}

func bigFloat(v float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(v) }

// TestMaskedNorm compares it with its formula in float64, also for wide sets and for sets far from
// 0. Results are the same at any number of threads, and nothing is allocated.
func TestMaskedNorm(t *testing.T) {
	bothTypes(t, testMaskedNorm[float32], testMaskedNorm[float64])
}

func testMaskedNorm[T Float](t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, c := range []struct {
		samples, features, inner, groups int
		centred                          bool
		mean, first                      float64
	}{
		{5, 12, 1, 1, true, 0.5, 0},
		{5, 12, 1, 4, true, 0.5, 0},
		{40, 6, 301, 3, true, 0.5, 0},
		{40, 6, 301, 6, false, 0.5, 0},
		{2, 1 << 16, 1, 1, true, 0, 0},
		{2, 1 << 16, 1, 1, true, 1e5, 0},
		{2, 1 << 16, 1, 1, true, 0, 1e6}, // far from all others
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			runtime.GOMAXPROCS(1)
			p := newMaskedProblem[T](c.samples, c.features, c.inner, c.groups, c.centred, c.mean, c.first)
			p.run()
			p.check(t, c.inner)
			results := func() [][]T {
				return [][]T{slices.Clone(p.y), slices.Clone(p.dx), slices.Clone(p.dgamma), slices.Clone(p.dbeta)}
			}
			want := results()
			require.Zero(t, testing.AllocsPerRun(2, p.run))
			for _, threads := range []int{2, 3} {
				runtime.GOMAXPROCS(threads)
				p.run()
				require.Equal(t, want, results())
			}
		})
	}
}

// BenchmarkMaskedNorm runs LayerNorm of 2048 rows.
func BenchmarkMaskedNorm(b *testing.B) {
	p := newMaskedProblem[float32](2048, 256, 1, 1, true, 0, 0)
	b.Run("rows=2048/cols=256/forward", func(b *testing.B) {
		b.SetBytes(4 * int64(len(p.x)))
		for b.Loop() {
			p.norm.Forward(p.y, p.x, p.gamma, p.beta, p.mask)
		}
	})
	b.Run("rows=2048/cols=256/backward", func(b *testing.B) {
		b.SetBytes(4 * int64(len(p.x)))
		p.run()
		for b.Loop() {
			p.norm.Backward(p.dx, p.dgamma, p.dbeta, p.x, p.gamma, p.mask, p.dy)
		}
	})
}
