// Package simd holds the kernels' inner loops, each in pure Go and, on amd64, in
// assembly for AVX2 with FMA and for AVX-512, chosen when the program starts. The
// build tag purego leaves the assembly out.
//
// These functions know nothing of threads and check no lengths: that is for
// their callers. Every slice has the length that its comment gives or, where it
// gives none, that of the first one; inputs and outputs may be the same slice but
// must not overlap otherwise. The implementations differ in rounding only: in
// the order of a sum and in whether a·b + c is rounded once or twice.
package simd

//go:generate sh -c "cd _asm && go run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg simd && mv tables_amd64.go .."

// Float is the element type of a kernel.
type Float interface{ float32 | float64 }

// Kernels is one implementation of all inner loops.
type Kernels[T Float] struct {
	Name string

	// Add: z = x + y.
	Add func(z, x, y []T)
	// Scale: z = s·x.
	Scale func(z, x []T, s T)
	// SumSquares is Σx², taken in float64.
	SumSquares func(x []T) float64

	// Tile is the inner loop of a matrix product, over a block of C of TileRows ×
	// TileCols elements, with rows ldc apart:
	//
	//	C = alpha·A·B + beta·C
	//
	// Element (i, p) of A is at a[i·rsa + p·csa], row p of B at b[p·ldb]. Where beta
	// is 0, C is not read. LowTile is the same for LowRows × TileCols.
	Tile, LowTile               func(k int, a []T, rsa, csa int, b []T, ldb int, c []T, ldc int, alpha, beta T)
	TileRows, LowRows, TileCols int

	// Transpose: dst[j·ldd + i] = src[i·lds + j] for i < Lanes and j < n, a multiple
	// of Lanes.
	Transpose func(dst []T, ldd int, src []T, lds int, n int)
	Lanes     int

	// LayerNorm normalizes rows, which there are as many of as of rstd, each as
	// long as gamma, and keeps what x̂ is made of:
	//
	//	x̂ = (x−mean)·rstd − shift    y = γ·x̂ + β
	//
	// The shift makes up for the rounding of the mean, which may be some units off where
	// these are little beside the deviation. The assembly for float32 squares deviations
	// in float32: where they overflow, rstd is 0 or NaN, where they vanish, it is 1/√eps.
	// y must not be x. With stream, y's rows begin at multiples of 64 bytes, and are
	// written past the caches.
	LayerNorm func(y, x, gamma, beta, mean, shift, rstd []T, eps float64, stream bool)
	// LayerNormBackward adds to dgamma and dbeta:
	//
	//	g = dy·γ    dx = rstd·(g − Σg/cols − x̂·Σ(g·x̂)/cols)    dγ += Σ_rows dy·x̂    dβ += Σ_rows dy
	LayerNormBackward func(dx, x, dy, gamma, mean, shift, rstd, dgamma, dbeta []T, stream bool)
	// RMSNorm is LayerNorm without mean, shift and β.
	RMSNorm         func(y, x, gamma, rstd []T, eps float64, stream bool)
	RMSNormBackward func(dx, x, dy, gamma, rstd, dgamma []T, stream bool)

	// DyT, on rows as long as gamma: y = γ·tanh(α·x) + β.
	DyT func(y, x, gamma, beta []T, alpha T, rows int)
	// DyTBackward adds to dgamma and dbeta. With t = tanh(α·x) and h = dy·γ·(1 − t²):
	//
	//	dx = h·α    dγ += Σ_rows dy·t    dβ += Σ_rows dy    dα = Σh·x
	DyTBackward func(dx, x, dy, gamma, dgamma, dbeta []T, alpha T, rows int) (dalpha float64)
	// Derf: y = γ·erf + β with erf = erf(u), u = α·x + shift.
	Derf func(y, erf, x, gamma, beta []T, alpha, shift T, rows int)
	// DerfBackward adds to dgamma and dbeta. With h = dy·γ·2/√π·exp(−u²):
	//
	//	dx = h·α    dγ += Σ_rows dy·erf    dβ += Σ_rows dy    dα = Σh·x    dshift = Σh
	DerfBackward func(dx, x, erf, dy, gamma, dgamma, dbeta []T, alpha, shift T, rows int) (dalpha, dshift float64)

	// The next four work on strips: rows of as many columns as the first slice
	// with one element a column has, stride elements apart. With stream, which is
	// for matrices larger than the caches, these are whole lines of 64 bytes; what
	// is written begins at multiples of 64 bytes and goes past the caches. Sums of
	// four rows at a time are added to the sums so far.
	//
	// ColumnSums: sum += Σ(x−pilot), squares += Σ(x−pilot)².
	ColumnSums func(sum, squares, pilot, x []T, rows, stride int)
	// ColumnNorm: y = (x−mean)·scale + offset.
	ColumnNorm func(y, x, mean, scale, offset []T, rows, stride int, stream bool)
	// ColumnGradientSums: dγ += Σdy·(x−mean)·rstd, dβ += Σdy.
	ColumnGradientSums func(dgamma, dbeta, mean, rstd, x, dy []T, rows, stride int)
	// ColumnNormBackward: dx = dy·scale − offset − (x−mean)·rstd·slope.
	ColumnNormBackward func(dx, x, dy, mean, rstd, scale, offset, slope []T, rows, stride int, stream bool)

	// Accumulate: sum += x.
	Accumulate func(sum []float64, x []T)

	// AdamW is one step of a weight w, its moments m and v and gradient g:
	//
	//	m = beta1·m + rest1·g    v = beta2·v + rest2·g²
	//	w = keep·w − lr·m/(√v/bias2 + eps)
	AdamW func(w, m, v, g []T, beta1, rest1, beta2, rest2, keep, lr, bias2, eps T)

	// Max is the largest element, -Inf of none; where there is a NaN, it is anything.
	Max func(x []T) T
	// ExpSum: p = exp(x − top), and Σp, for a top that none of x exceeds.
	ExpSum func(p, x []T, top T) T
	// Softmax: p = exp(x − top)/sum, with top the largest of x and sum = Σexp(x − top).
	// What is below 2^-125 (float64: 2^-1021) may become 0.
	Softmax func(p, x []T) (top, sum T)
	// SoftmaxBackward: dp = p·(dp − Σp·dp), the sum taken in float64.
	SoftmaxBackward func(dp, p []T)
	// GELU: h = 1/(1 + exp(|2u|)) with u = √(2/π)·(x + 0.044715·x³), and
	// y = max(x, 0) − |x|·h.
	GELU func(y, h, x []T)
	// GELUBackward: dx = dy·(s + 2·x·h·(1 − h)·du/dx) with s = h, or 1 − h where x > 0.
	GELUBackward func(dx, x, h, dy []T)
}

// Of gives the fastest implementation that the machine can run.
func Of[T Float]() *Kernels[T] { return either[T](best32, best64) }

// Pure gives the implementation in Go, which takes the statistics of rows in
// float64.
func Pure[T Float]() *Kernels[T] { return either[T](all32[0], all64[0]) }

// either picks the implementation for T.
func either[T Float](f32 *Kernels[float32], f64 *Kernels[float64]) *Kernels[T] {
	if k, ok := any(f32).(*Kernels[T]); ok {
		return k
	}
	return any(f64).(*Kernels[T])
}

var (
	best32 = last(all32)
	best64 = last(all64)
)

func last[E any](s []E) E { return s[len(s)-1] }
