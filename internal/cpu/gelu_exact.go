package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
)

// The exact GELU takes its terms with exp from Derf's kernels, as Derf of one row
// with a γ and a β of each element, and puts them together in Go. A row has exactBlock
// elements: so few that they are still in the cache then.
const exactBlock = 1024

// rootHalf is Derf's α: Φ(x) = (1 + erf(x/√2))/2.
const rootHalf = math.Sqrt2 / 2

var (
	halves32 = constant[float32](nil, exactBlock, 0.5)
	halves64 = constant[float64](nil, exactBlock, 0.5)
)

func halves[T Float]() []T {
	if h, ok := any(halves32).([]T); ok {
		return h
	}
	return any(halves64).([]T)
}

type exactGELUTask[T Float] struct{ y, x, cdf []T }

// ExactGELU is the Gaussian error linear unit as it is defined (Hendrycks & Gimpel
// 2016), with the normal distribution's Φ:
//
//	y = x·Φ(x) = x/2·(1 + erf(x/√2))
//
// cdf, which is Φ(x), is kept for ExactGELUBackward. As in PyTorch, and other than in
// GELU's tail, it is right to the rounding of 1, not to its own: where Φ is 1e-9, at
// −6, it is 0 in float32. y of −Inf is NaN, as there.
func ExactGELU[T Float](y, x, cdf []T) {
	t := borrow[exactGELUTask[T]]()
	*t = exactGELUTask[T]{y, x, cdf}
	parallel(t, spanChunks(len(y)))
	*t = exactGELUTask[T]{}
	giveBack(t)
}

func (t *exactGELUTask[T]) run(chunk int) {
	for i, end := spanOf(chunk, len(t.y)); i < end; i += exactBlock {
		n := min(exactBlock, end-i)
		y, x, cdf, half := t.y[i:][:n], t.x[i:][:n], t.cdf[i:][:n], halves[T]()[:n]
		simd.Of[T]().Derf(cdf, y, x, half, half, rootHalf, 0, 1) // y is memory for erf
		for k, v := range x {
			y[k] = v * cdf[k]
		}
	}
}

type exactGELUBackwardTask[T Float] struct{ dx, x, cdf, dy []T }

// unread is where a block's gradients of γ and β go.
type unread[T Float] [exactBlock]T

// ExactGELUBackward: dx = dy·(Φ(x) + x·φ(x)) with φ(x) = Φ'(x) = exp(−x²/2)/√(2π). That
// of an infinite x is NaN, as in PyTorch.
func ExactGELUBackward[T Float](dx, x, cdf, dy []T) {
	t := borrow[exactGELUBackwardTask[T]]()
	*t = exactGELUBackwardTask[T]{dx, x, cdf, dy}
	parallel(t, spanChunks(len(dx)))
	*t = exactGELUBackwardTask[T]{}
	giveBack(t)
}

func (t *exactGELUBackwardTask[T]) run(chunk int) {
	u := borrow[unread[T]]()
	for i, end := spanOf(chunk, len(t.dx)); i < end; i += exactBlock {
		n := min(exactBlock, end-i)
		dx, x, cdf, dy := t.dx[i:][:n], t.x[i:][:n], t.cdf[i:][:n], t.dy[i:][:n]
		// With x for γ it is dy·x·2φ(x), for φ is the slope of half an erf.
		simd.Of[T]().DerfBackward(dx, x, cdf, dy, x, u[:n], u[:n], rootHalf, 0, 1)
		for k, d := range dy {
			dx[k] = d*cdf[k] + dx[k]/2
		}
	}
	giveBack(u)
}
