package simd

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// pointwiseCase holds the slices of DyT and Derf, forward and backward.
type pointwiseCase[T Float] struct {
	*arena[T]
	rows                       int
	alpha, shift               T
	x, y, erf, dy, dx          []T
	gamma, beta, dgamma, dbeta []T
	dalpha, dshift             float64
}

func newPointwiseCase[T Float](rows, cols int, alpha, shift float64, f, beta fill) *pointwiseCase[T] {
	a := newArena[T](uint64(cols))
	normal := fills[0]
	return &pointwiseCase[T]{
		arena: a, rows: rows, alpha: T(alpha), shift: T(shift),
		x: a.make(rows*cols, f), y: a.make(rows*cols, normal), erf: a.make(rows*cols, normal),
		dy: a.make(rows*cols, normal), dx: a.make(rows*cols, normal),
		gamma: a.make(cols, normal), beta: a.make(cols, beta),
		dgamma: a.make(cols, normal), dbeta: a.make(cols, normal),
	}
}

func (c *pointwiseCase[T]) dyT(k *Kernels[T]) {
	k.DyT(c.y, c.x, c.gamma, c.beta, c.alpha, c.rows)
	c.dalpha = k.DyTBackward(c.dx, c.x, c.dy, c.gamma, c.dgamma, c.dbeta, c.alpha, c.rows)
}

func (c *pointwiseCase[T]) derf(k *Kernels[T]) {
	k.Derf(c.y, c.erf, c.x, c.gamma, c.beta, c.alpha, c.shift, c.rows)
	c.dalpha, c.dshift = k.DerfBackward(c.dx, c.x, c.erf, c.dy, c.gamma, c.dgamma, c.dbeta, c.alpha, c.shift, c.rows)
}

func TestPointwiseTwins(t *testing.T) {
	t.Parallel()
	eachTwin(t, pointwiseTwins[float32], pointwiseTwins[float64])
}

func pointwiseTwins[T Float](t *testing.T, k, twin *Kernels[T]) {
	normal, zeros := fills[0], fills[5]
	for _, f := range append([]fill{
		{"a -Inf", special(math.Inf(-1))},
		{"subnormal", func(r *rand.Rand, _ int) float64 { return r.NormFloat64() * tiny[T]() / 1000 }},
		{"up to 10", func(r *rand.Rand, _ int) float64 { return 20*r.Float64() - 10 }},
	}, fills...) {
		for cols := range 100 {
			rows, alpha := cols%4, []float64{0.5, -1.3, 0}[cols%3]
			for _, beta := range []fill{normal, zeros} {
				for name, run := range map[string]func(*pointwiseCase[T], *Kernels[T]){
					"DyT": (*pointwiseCase[T]).dyT, "Derf": (*pointwiseCase[T]).derf,
				} {
					shift := 0.0
					if beta.name == normal.name {
						shift = 0.3
					}
					got := newPointwiseCase[T](rows, cols, alpha, shift, f, beta)
					want := newPointwiseCase[T](rows, cols, alpha, shift, f, beta)
					run(got, k)
					run(want, twin)
					got.holdTo(t, fmt.Sprintf("%s, %s, β %s, %d×%d: ", name, f.name, beta.name, rows, cols), want)
				}
			}
		}
	}
}

// holdTo compares with the twin's results. Both functions are within a few units in the last place, for the
// smallest x too. The error of their slopes includes the rounding of exp's argument, which is up to 88
// (float64: 709). Results below tiny may be 0.
func (c *pointwiseCase[T]) holdTo(t *testing.T, what string, want *pointwiseCase[T]) {
	t.Helper()
	c.intact(t)
	unit := ε[T]()
	relative := func(units float64, want []T, beta func(i int) float64) func(int) float64 {
		return func(i int) float64 { return units*unit*(math.Abs(float64(want[i]))+beta(i)) + 64*tiny[T]()*unit }
	}
	none := func(int) float64 { return 0 }
	requireNear(t, what+"y", want.y, c.y, relative(6, want.y, func(i int) float64 {
		return 2 * math.Abs(float64(c.beta[i%len(c.beta)]))
	}))
	requireNear(t, what+"erf", want.erf, c.erf, relative(6, want.erf, none))
	steep := 2 * 88.0
	if unit < 1e-10 {
		steep = 2 * 709
	}
	requireNear(t, what+"dx", want.dx, c.dx, relative(16+steep, want.dx, func(int) float64 {
		return 64 * tiny[T]() / unit
	}))
	sums := func(int) float64 { return 16 * unit * float64(1+c.rows) }
	requireNear(t, what+"dγ", want.dgamma, c.dgamma, sums)
	requireNear(t, what+"dβ", want.dbeta, c.dbeta, sums)
	scalars, got := []float64{want.dalpha, want.dshift}, []float64{c.dalpha, c.dshift}
	requireNear(t, what+"dα and dshift", scalars, got, func(i int) float64 {
		return 16 * unit * float64(1+len(c.x)) * max(1, math.Abs(scalars[i])) // if α is 0, terms are as large as x
	})
}

// tanhAndErf returns the functions of x alone and their derivatives, as the kernels compute them. again is the
// tanh of the backward pass, which computes it a second time.
func tanhAndErf[T Float](k *Kernels[T], x []T) (tanh, again, tanhSlope, erf, erfSlope []T) {
	n := len(x)
	ones, zeros, dbeta := make([]T, n), make([]T, n), make([]T, n)
	for i := range ones {
		ones[i] = 1
	}
	results := make([][]T, 6)
	for i := range results {
		results[i] = make([]T, n)
	}
	tanh, again, tanhSlope, erf, erfSlope = results[0], results[1], results[2], results[3], results[4]
	k.DyT(tanh, x, ones, zeros, 1, 1)
	k.DyTBackward(tanhSlope, x, ones, ones, again, dbeta, 1, 1)
	k.Derf(results[5], erf, x, ones, zeros, 1, 0, 1)
	k.DerfBackward(erfSlope, x, erf, ones, ones, make([]T, n), dbeta, 1, 0, 1)
	return tanh, again, tanhSlope, erf, erfSlope
}

// TestTanhAndErfOnAllOfFloat32 tests all numbers in small steps.
func TestTanhAndErfOnAllOfFloat32(t *testing.T) {
	t.Parallel()
	for _, k := range all32 {
		names := []string{"tanh", "tanh in backward", "erf"}
		worst, at := make([]float64, 3), make([]float32, 3)
		x := make([]float32, 1<<12)
		for bits := uint64(0); bits < 1<<32; {
			for i := range x {
				x[i] = math.Float32frombits(uint32(min(bits, 1<<32-1)))
				bits += 8209
			}
			tanh, again, tanhSlope, erf, erfSlope := tanhAndErf(k, x)
			for i, v := range x {
				wantTanh, wantErf := math.Tanh(float64(v)), math.Erf(float64(v))
				if math.IsNaN(wantTanh) {
					for _, got := range []float32{tanh[i], again[i], tanhSlope[i], erf[i], erfSlope[i]} {
						if got == got {
							require.Failf(t, "not NaN", "%s: %g of a NaN", k.Name, got)
						}
					}
					continue
				}
				for f, want := range []float64{wantTanh, wantTanh, wantErf} {
					got := float64([]float32{tanh[i], again[i], erf[i]}[f])
					if !(math.Abs(got) <= 1) {
						require.Failf(t, "out of range", "%s: %s(%g) is %g", k.Name, names[f], v, got)
					}
					if e := math.Abs(got-want) / ulp[float32](want); !(e <= worst[f]) {
						worst[f], at[f] = e, v
					}
				}
			}
		}
		for f, name := range names {
			require.LessOrEqual(t, worst[f], 3.0, "%s: %s(%g)", k.Name, name, at[f])
			t.Logf("%s: %s is off by at most %.2f ulp, at %g", k.Name, name, worst[f], at[f])
		}
	}
}

func TestTanhAndErfAtTheEnds(t *testing.T) {
	t.Parallel()
	t.Run("float32", func(t *testing.T) { theEnds(t, all32, math.MaxFloat32) })
	t.Run("float64", func(t *testing.T) { theEnds(t, all64, math.MaxFloat64) })
}

func theEnds[T Float](t *testing.T, all []*Kernels[T], largest float64) {
	x := []T{T(math.Inf(-1)), T(-largest), -400, 400, T(largest), T(math.Inf(1))}
	for _, k := range all {
		tanh, again, tanhSlope, erf, erfSlope := tanhAndErf(k, x)
		for i, v := range x {
			want := T(math.Copysign(1, float64(v)))
			got := []T{tanh[i], again[i], erf[i], tanhSlope[i], erfSlope[i]}
			require.Equal(t, []T{want, want, want, 0, 0}, got, "%s at %g", k.Name, v)
		}
	}
}

// TestAccuracyOfTanhAndErf compares the functions and their slopes with the true values. A slope's error grows
// with the argument of its exp.
func TestAccuracyOfTanhAndErf(t *testing.T) {
	t.Parallel()
	t.Run("float32", func(t *testing.T) { accuracyOfTanhAndErf(t, all32) })
	t.Run("float64", func(t *testing.T) { accuracyOfTanhAndErf(t, all64) })
}

func accuracyOfTanhAndErf[T Float](t *testing.T, all []*Kernels[T]) {
	points := 3000
	if testing.Short() {
		points = 400
	}
	for _, reach := range []float64{0.01, 1, 6} {
		x := spread[T](points, -reach, reach)
		var tanh, tanhSlope, erf, erfSlope []*big.Float
		for _, v := range exactNumbers(x) {
			y, slope := exactTanh(v)
			tanh, tanhSlope = append(tanh, y), append(tanhSlope, slope)
			y, slope = exactErf(v)
			erf, erfSlope = append(erf, y), append(erfSlope, slope)
		}
		for _, k := range all {
			gotTanh, again, gotTanhSlope, gotErf, gotErfSlope := tanhAndErf(k, x)
			for _, c := range []struct {
				what  string
				limit float64
				got   []T
				want  []*big.Float
			}{
				{"tanh", 3, gotTanh, tanh},
				{"tanh in backward", 3, again, tanh},
				{"its slope", 4 + 2*reach, gotTanhSlope, tanhSlope},
				{"erf", 3, gotErf, erf},
				{"its slope", 3 + reach*reach, gotErfSlope, erfSlope},
			} {
				e := errorIn(ulp[T], c.got, c.want)
				require.LessOrEqual(t, e, c.limit, "%s, up to %g: %s", k.Name, reach, c.what)
				t.Logf("%-7s up to %-5g%-17s %.2f ulp", k.Name, reach, c.what, e)
			}
		}
	}
}

// exactTanh returns tanh, for arguments that are not tiny, and its derivative.
func exactTanh(u *big.Float) (y, slope *big.Float) {
	one, e := number(1), exactExp(mul2(number(2), number(0).Neg(number(0).Abs(u))))
	y = quo2(sub2(one, e), add2(one, e))
	slope = quo2(mul2(number(4), e), mul2(add2(one, e), add2(one, e)))
	if u.Sign() < 0 {
		y.Neg(y)
	}
	return y, slope
}

var twoOverRootPi = decimal("1.128379167095512573896158903121545171688")

// exactErf returns erf, from a series of terms of one sign, and its derivative:
//
//	erf u = 2/√π·exp(−u²)·Σ 2^n·u^(2n+1)/(1·3·…·(2n+1))
func exactErf(u *big.Float) (y, slope *big.Float) {
	square := mul2(u, u)
	slope = mul2(twoOverRootPi, exactExp(number(0).Neg(square)))
	term, sum := number(0).Set(u), number(0)
	for n := 1; n < 250; n++ {
		sum.Add(sum, term)
		term = quo2(mul2(term, mul2(number(2), square)), number(float64(2*n+1)))
	}
	return mul2(slope, sum), slope
}
