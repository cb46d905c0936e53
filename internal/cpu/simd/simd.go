// Package simd holds the kernels' inner loops. Each is written in pure Go and, for
// amd64, in assembly for AVX2 with FMA and for AVX-512. The fastest implementation that
// the machine can run is chosen when the program starts. The build tag purego leaves the
// assembly out.
//
// The functions run on one thread and do not check lengths. Their callers cut the work and
// check. All slices have the length of the first one unless the comment says otherwise.
// An input and an output may be the same slice unless the comment forbids it, but must not
// overlap otherwise. All implementations compute the same bits: a sum has as many partial sums, added in
// the same order, and a·b + c is rounded once in all or in none.
package simd

import (
	"fmt"
	"slices"
	"strings"
)

//go:generate sh -c "cd _asm && go run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg simd"

// Float is the element type of a kernel.
type Float interface{ float32 | float64 }

// Kernels is one implementation of all inner loops.
type Kernels[T Float] struct {
	Name string

	// Add computes z = x + y.
	Add func(z, x, y []T)
	// Scale computes z = s·x.
	Scale func(z, x []T, s T)
	// SumSquares returns Σx², summed in float64.
	SumSquares func(x []T) float64

	// Tile is the inner loop of a matrix product. For a block of C of TileRows × TileCols
	// elements, with rows ldc apart, it computes
	//
	//	C = alpha·A·B + beta·C    (A·B)_ij = Σ_p A_ip·B_pj for p < k
	//
	// Element (i, p) of A is a[i·rsa + p·csa]; row p of B begins at b[p·ldb]. If beta is
	// 0, C is not read. LowTile does the same for LowRows × TileCols elements.
	Tile, LowTile               func(k int, a []T, rsa, csa int, b []T, ldb int, c []T, ldc int, alpha, beta T)
	TileRows, LowRows, TileCols int

	// Peak does rounds × PeakTerms multiplications and additions in registers, one round or more, and
	// nothing else: the most that the processor can do.
	Peak      func(rounds int)
	PeakTerms int

	// Transpose computes dst[j·ldd + i] = src[i·lds + j] for i < Lanes and j < n. n is a
	// multiple of Lanes.
	Transpose func(dst []T, ldd int, src []T, lds int, n int)
	Lanes     int

	// LayerNorm normalizes len(rstd) rows of cols = len(gamma) elements, and keeps mean,
	// shift and rstd of each row:
	//
	//	μ = Σx/cols    rstd = 1/√(Σ(x−μ)²/cols + eps)    shift = (μ−mean)·rstd
	//	x̂ = (x−mean)·rstd − shift    y = γ·x̂ + β
	//
	// mean is μ rounded to T, or several units in the last place off if such units are small
	// compared with the standard deviation; shift makes up for the difference. The float32
	// assembly squares deviations in float32: if the squares overflow, rstd is 0 or NaN; if
	// they underflow, it is 1/√eps. y must not be x. With stream, the rows of y begin at
	// multiples of 64 bytes and are written past the caches.
	LayerNorm func(y, x, gamma, beta, mean, shift, rstd []T, eps float64, stream bool)
	// LayerNormBackward computes dx and adds to dγ and dβ:
	//
	//	g = dy·γ    dx = rstd·(g − Σg/cols − x̂·Σ(g·x̂)/cols)
	//	dγ += Σ_rows dy·x̂    dβ += Σ_rows dy
	LayerNormBackward func(dx, x, dy, gamma, mean, shift, rstd, dgamma, dbeta []T, stream bool)
	// RMSNorm is LayerNorm without mean, shift and β:
	//
	//	rstd = 1/√(Σx²/cols + eps)    x̂ = x·rstd    y = γ·x̂
	RMSNorm func(y, x, gamma, rstd []T, eps float64, stream bool)
	// RMSNormBackward computes dx and adds to dγ:
	//
	//	g = dy·γ    dx = rstd·(g − x̂·Σ(g·x̂)/cols)    dγ += Σ_rows dy·x̂
	RMSNormBackward func(dx, x, dy, gamma, rstd, dgamma []T, stream bool)
	// LayerNormOfSum and RMSNormOfSum write x = a + b and compute LayerNorm and RMSNorm of x.
	LayerNormOfSum func(y, x, a, b, gamma, beta, mean, shift, rstd []T, eps float64, stream bool)
	RMSNormOfSum   func(y, x, a, b, gamma, rstd []T, eps float64, stream bool)
	// LayerNormBackwardPlus and RMSNormBackwardPlus are the backward passes that add d to dx.
	LayerNormBackwardPlus func(dx, x, dy, d, gamma, mean, shift, rstd, dgamma, dbeta []T, stream bool)
	RMSNormBackwardPlus   func(dx, x, dy, d, gamma, rstd, dgamma []T, stream bool)

	// DyT computes y = γ·tanh(α·x) + β on rows of len(gamma) elements.
	DyT func(y, x, gamma, beta []T, alpha T, rows int)
	// DyTBackward computes dx, returns dα and adds to dγ and dβ. With t = tanh(α·x) and
	// h = dy·γ·(1 − t²):
	//
	//	dx = h·α    dγ += Σ_rows dy·t    dβ += Σ_rows dy    dα = Σh·x
	DyTBackward func(dx, x, dy, gamma, dgamma, dbeta []T, alpha T, rows int) (dalpha float64)
	// Derf computes erf = erf(u), with u = α·x + shift, and y = γ·erf + β on rows of
	// len(gamma) elements.
	Derf func(y, erf, x, gamma, beta []T, alpha, shift T, rows int)
	// DerfBackward computes dx, returns dα and dshift and adds to dγ and dβ. With
	// h = dy·γ·2/√π·exp(−u²):
	//
	//	dx = h·α    dγ += Σ_rows dy·erf    dβ += Σ_rows dy    dα = Σh·x    dshift = Σh
	DerfBackward func(dx, x, erf, dy, gamma, dgamma, dbeta []T, alpha, shift T, rows int) (dalpha, dshift float64)

	// The next four kernels work on strips of columns. The rows of a strip are stride
	// elements apart; slices with one element for each column have the strip's width.
	// stream is for matrices larger than the caches: the width is then a multiple of 64
	// bytes, and output rows begin at multiples of 64 bytes and are written past the
	// caches. Sums over a few rows are taken first and then added to the sums so far.
	//
	// ColumnSums computes sum += Σ_rows (x−pilot) and squares += Σ_rows (x−pilot)².
	ColumnSums func(sum, squares, pilot, x []T, rows, stride int)
	// ColumnNorm computes y = (x−mean)·scale + offset.
	ColumnNorm func(y, x, mean, scale, offset []T, rows, stride int, stream bool)
	// ColumnGradientSums computes dγ += Σ_rows dy·(x−mean)·rstd and dβ += Σ_rows dy.
	ColumnGradientSums func(dgamma, dbeta, mean, rstd, x, dy []T, rows, stride int)
	// ColumnNormBackward computes dx = dy·scale − offset − (x−mean)·rstd·slope.
	ColumnNormBackward func(dx, x, dy, mean, rstd, scale, offset, slope []T, rows, stride int, stream bool)

	// Accumulate computes sum += x.
	Accumulate func(sum []float64, x []T)

	// AdamW computes one step of a weight w with moments m and v and gradient g:
	//
	//	m = beta1·m + rest1·g    v = beta2·v + rest2·g²
	//	w = keep·w − lr·m/(√v/bias2 + eps)
	AdamW func(w, m, v, g []T, beta1, rest1, beta2, rest2, keep, lr, bias2, eps T)

	// Max returns the largest element, or -Inf if there are none. If an element is NaN, the
	// result is unspecified.
	Max func(x []T) T
	// ExpSum computes p = exp(x − top) and returns Σp. No element of x exceeds top.
	ExpSum func(p, x []T, top T) T
	// Softmax computes p = exp(x − top)/sum and returns top, the largest element of x, and
	// sum = Σexp(x − top). Exponentials below 2^-125 (float64: 2^-1021) may become 0.
	Softmax func(p, x []T) (top, sum T)
	// SoftmaxBackward computes dp = p·(dp − Σp·dp), with the sum in float64.
	SoftmaxBackward func(dp, p []T)
	// GELU computes h = 1/(1 + exp(|2u|)), with u = √(2/π)·(x + 0.044715·x³), and
	// y = max(x, 0) − |x|·h.
	GELU func(y, h, x []T)
	// GELUBackward computes dx = dy·(s + 2·x·h·(1 − h)·du/dx), with s = 1 − h for x > 0 and
	// s = h otherwise.
	GELUBackward func(dx, x, h, dy []T)
}

// Of returns the fastest implementation that the machine can run.
func Of[T Float]() *Kernels[T] { return either[*Kernels[T]](best32, best64) }

// Choose makes Of return the implementations with a name of Names, in any case, for tests and
// benchmarks. No kernel may run at the same time.
func Choose(name string) error {
	at := slices.IndexFunc(Names(), func(have string) bool { return strings.EqualFold(have, name) })
	if at < 0 {
		return fmt.Errorf("simd: this machine has no kernels %q, want one of %q", name, Names())
	}
	best32, best64 = all32[at], all64[at]
	return nil
}

// Names returns the names of the implementations that this machine can run, slowest first.
func Names() (names []string) {
	for _, k := range all32 {
		names = append(names, k.Name)
	}
	return names
}

// either returns that of two values, one for float32 and one for float64, which has the type P.
func either[P any](f32, f64 any) P {
	if p, ok := f32.(P); ok {
		return p
	}
	return f64.(P)
}

var (
	best32 = last(all32)
	best64 = last(all64)
)

func last[E any](s []E) E { return s[len(s)-1] }
