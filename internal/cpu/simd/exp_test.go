package simd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// logits are inputs of softmax: numbers of the size that a model computes, and numbers so far apart that most
// probabilities vanish.
var logits = append([]fill{
	{"logits", func(r *rand.Rand, _ int) float64 { return 5 * r.NormFloat64() }},
	{"a -Inf", special(math.Inf(-1))},
	{"far apart", func(r *rand.Rand, _ int) float64 { return 1e3 * r.NormFloat64() }},
}, fills...)

func TestSoftmaxTwins(t *testing.T) {
	t.Parallel()
	eachTwin(t, softmaxTwin[float32], softmaxTwin[float64])
}

func softmaxTwin[T Float](t *testing.T, k, twin *Kernels[T]) {
	for _, f := range logits {
		for n := 1; n < 101; n++ {
			what := fmt.Sprintf("%s, length %d", f.name, n)
			run := func(k *Kernels[T]) (p, dp []T, top, sum T, a *arena[T]) {
				a = newArena[T](uint64(n))
				x, p, dp := a.make(n, f), a.make(n, f), a.make(n, fills[0])
				top, sum = k.Softmax(p, x)
				k.SoftmaxBackward(dp, p)
				return p, dp, top, sum, a
			}
			p, dp, top, sum, a := run(k)
			wantP, wantDp, wantTop, wantSum, _ := run(twin)
			a.intact(t)
			if math.IsNaN(float64(wantSum)) {
				// The largest number is unspecified then, but the sum is NaN.
				require.True(t, math.IsNaN(float64(sum)), what)
				continue
			}
			requireNear(t, what+": top", []T{wantTop}, []T{top}, exactly)
			requireNear(t, what+": sum", []T{wantSum}, []T{sum}, func(int) float64 {
				return 8 * ε[T]() * float64(wantSum)
			})
			requireNear(t, what+": p", wantP, p, ofExp(wantP))
			requireNear(t, what+": dp", wantDp, dp, func(i int) float64 { return 64 * ε[T]() })
		}
	}
}

// ofExp returns the tolerance of results of exp, whose relative error is the absolute one of their logarithms.
func ofExp[T Float](want []T) func(int) float64 {
	return func(i int) float64 {
		w := float64(want[i])
		return ε[T]()*w*(16-math.Log(w+tiny[T]())) + tiny[T]()
	}
}

// TestLongRowTwins tests the kernels that compute the softmax of a long row.
func TestLongRowTwins(t *testing.T) {
	t.Parallel()
	eachTwin(t, longRowTwin[float32], longRowTwin[float64])
}

func longRowTwin[T Float](t *testing.T, k, twin *Kernels[T]) {
	for _, f := range logits {
		for n := range 101 {
			what := fmt.Sprintf("%s, length %d", f.name, n)
			a := newArena[T](uint64(n))
			x, p, wantP := a.make(n, f), a.make(n, f), a.make(n, f)
			top := twin.Max(x)
			if top == top {
				require.Equal(t, top, k.Max(x), what)
			}
			wantSum, sum := twin.ExpSum(wantP, x, top+1), k.ExpSum(p, x, top+1)
			requireNear(t, what+": p", wantP, p, ofExp(wantP))
			requireNear(t, what+": sum", []T{wantSum}, []T{sum}, ofExp([]T{wantSum}))
			a.intact(t)
			for i := range x { // zeros behind the row's end must not count
				x[i] = -1 - T(math.Abs(float64(x[i])))
			}
			if top = twin.Max(x); top == top {
				require.Equal(t, top, k.Max(x), what)
			}
		}
	}
}

// tiny returns the bound below which results may become zero: a little above the smallest number that has all
// its digits.
func tiny[T Float]() float64 {
	if ε[T]() < 1e-10 {
		return 0x1p-1020
	}
	return 0x1p-124
}

func TestGELUTwins(t *testing.T) {
	t.Parallel()
	eachTwin(t, geluTwin[float32], geluTwin[float64])
}

func geluTwin[T Float](t *testing.T, k, twin *Kernels[T]) {
	for _, f := range append([]fill{
		{"a -Inf", special(math.Inf(-1))},
		{"up to 9", func(r *rand.Rand, _ int) float64 { return 18*r.Float64() - 9 }},
	}, fills...) {
		for n := range 101 {
			what := fmt.Sprintf("%s, length %d", f.name, n)
			run := func(k *Kernels[T]) (y, h, dx []T, a *arena[T]) {
				a = newArena[T](uint64(n))
				x, dy := a.make(n, f), a.make(n, fills[0])
				y, h, dx = a.make(n, f), a.make(n, f), a.make(n, f)
				k.GELU(y, h, x)
				k.GELUBackward(dx, x, h, dy)
				return y, h, dx, a
			}
			y, h, dx, a := run(k)
			wantY, wantH, wantDx, _ := run(twin)
			a.intact(t)
			// The rounding of exp's argument counts too.
			near := func(want []T) func(i int) float64 {
				return func(i int) float64 { return 32*ε[T]()*(1+math.Abs(float64(want[i]))) + tiny[T]() }
			}
			requireNear(t, what+": h", wantH, h, near(wantH))
			requireNear(t, what+": y", wantY, y, near(wantY))
			requireNear(t, what+": dx", wantDx, dx, near(wantDx))
		}
	}
}

func TestAdamWTwins(t *testing.T) {
	t.Parallel()
	eachTwin(t, adamWTwin[float32], adamWTwin[float64])
}

func adamWTwin[T Float](t *testing.T, k, twin *Kernels[T]) {
	square := fill{"squares", func(r *rand.Rand, _ int) float64 { v := r.NormFloat64(); return v * v }}
	for _, f := range fills {
		for n := range 101 {
			what := fmt.Sprintf("%s, length %d", f.name, n)
			run := func(k *Kernels[T]) (w, m, v []T, a *arena[T]) {
				a = newArena[T](uint64(n))
				w, m, v, g := a.make(n, fills[0]), a.make(n, fills[0]), a.make(n, square), a.make(n, f)
				k.AdamW(w, m, v, g, 0.9, 0.1, 0.99, 0.01, 0.999, 1e-3, 0.3, 1e-8)
				return w, m, v, a
			}
			w, m, v, a := run(k)
			wantW, wantM, wantV, _ := run(twin)
			a.intact(t)
			near := func(want []T) func(i int) float64 {
				return func(i int) float64 { return 8 * ε[T]() * (1 + math.Abs(float64(want[i]))) }
			}
			requireNear(t, what+": m", wantM, m, near(wantM))
			requireNear(t, what+": v", wantV, v, near(wantV))
			requireNear(t, what+": w", wantW, w, near(wantW))
		}
	}
}
