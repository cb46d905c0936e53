package simd

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// logits are what softmax is taken of: numbers of the size that a model makes,
// and some that leave others nothing.
var logits = append([]fill{
	{"logits", func(r *rand.Rand, _ int) float64 { return 5 * r.NormFloat64() }},
	{"a -Inf", special(math.Inf(-1))},
	{"far apart", func(r *rand.Rand, _ int) float64 { return 1e3 * r.NormFloat64() }},
}, fills...)

func TestSoftmaxTwins(t *testing.T) { eachTwin(t, softmaxTwin[float32], softmaxTwin[float64]) }

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
				// Which number is the largest is anyone's guess, but not that of the sum.
				require.True(t, math.IsNaN(float64(sum)), what)
				continue
			}
			requireNear(t, what+": top", []T{wantTop}, []T{top}, exactly)
			requireNear(t, what+": sum", []T{wantSum}, []T{sum}, func(int) float64 { return 8 * ε[T]() * float64(wantSum) })
			requireNear(t, what+": p", wantP, p, func(i int) float64 { return 16*ε[T]()*float64(wantP[i]) + tiny[T]() })
			requireNear(t, what+": dp", wantDp, dp, func(i int) float64 { return 64 * ε[T]() })
		}
	}
}

// tiny is what may become zero: a little above the smallest number that has all
// its digits.
func tiny[T Float]() float64 {
	if ε[T]() < 1e-10 {
		return 0x1p-1020
	}
	return 0x1p-124
}

func TestGELUTwins(t *testing.T) { eachTwin(t, geluTwin[float32], geluTwin[float64]) }

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
			// The argument of exp is off by its own rounding.
			near := func(want []T) func(i int) float64 {
				return func(i int) float64 { return 32*ε[T]()*(1+math.Abs(float64(want[i]))) + tiny[T]() }
			}
			requireNear(t, what+": h", wantH, h, near(wantH))
			requireNear(t, what+": y", wantY, y, near(wantY))
			requireNear(t, what+": dx", wantDx, dx, near(wantDx))
		}
	}
}

func TestAdamWTwins(t *testing.T) { eachTwin(t, adamWTwin[float32], adamWTwin[float64]) }

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

// TestExpInUlp measures exp, of which softmax is made, where the row's largest
// element is 0 and all others are so far below that the sum rounds to 1: then a
// probability is exp itself. Reduction makes every stretch of ln 2 like this one.
func TestExpInUlp(t *testing.T) {
	for _, k := range all32 {
		worst := worstUlp(t, k, -20, -86.6, 400_000, func(x float32) float64 { return math.Exp(float64(x)) }, 24)
		t.Logf("float32 %s: exp is at most %.3f ulp off", k.Name, worst)
		require.LessOrEqual(t, worst, 1.0)
	}
	for _, k := range all64 {
		worst := worstUlp(t, k, -40, -707, 20_000, preciseExp, 53)
		t.Logf("float64 %s: exp is at most %.0f ulp off the nearest number", k.Name, worst)
		require.LessOrEqual(t, worst, 1.0)
	}
}

func worstUlp[T Float](t *testing.T, k *Kernels[T], from, to float64, points int, exp func(T) float64, digits int) (worst float64) {
	rng := rand.New(rand.NewPCG(5, 5))
	x, p := make([]T, 16), make([]T, 16)
	for range points / len(x) {
		for i := range x[1:] {
			x[i+1] = T(from + (to-from)*rng.Float64())
		}
		_, sum := k.Softmax(p, x)
		require.Equal(t, T(1), sum)
		for i, v := range x {
			want := exp(v)
			_, exponent := math.Frexp(want)
			worst = max(worst, math.Abs(float64(p[i])-want)/math.Ldexp(1, exponent-digits))
		}
	}
	return worst
}

// preciseExp is exp to well over 53 bits, rounded once: by its series at x/2^10,
// squared ten times.
func preciseExp(x float64) float64 {
	const precision, halvings, terms = 200, 10, 30
	r := new(big.Float).SetPrec(precision).SetFloat64(math.Ldexp(x, -halvings))
	sum, term := big.NewFloat(1).SetPrec(precision), big.NewFloat(1).SetPrec(precision)
	for i := 1; i < terms; i++ {
		term.Mul(term, r)
		term.Quo(term, new(big.Float).SetPrec(precision).SetInt64(int64(i)))
		sum.Add(sum, term)
	}
	for range halvings {
		sum.Mul(sum, sum)
	}
	y, _ := sum.Float64()
	return y
}
