package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
)

// The exact GELU computes Φ(x) = (1 + erf(x/√2))/2 as Derf of one row, with γ = β = 1/2 and α = √½, and
// combines it with x in Go. It works in rows of exactBlock elements, which are still in the cache for
// the second step.
const (
	exactBlock = 1024
	rootHalf   = math.Sqrt2 / 2
)

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

// exactGELU computes cdf = Φ(x) and y = x·cdf.
func exactGELU[T Float](y, cdf, x []T) {
	for from := 0; from < len(x); from += exactBlock {
		n := min(exactBlock, len(x)-from)
		y, cdf, x, half := y[from:][:n], cdf[from:][:n], x[from:][:n], halves[T]()[:n]
		simd.Of[T]().Derf(cdf, y, x, half, half, rootHalf, 0, 1) // y is scratch for erf
		for i, v := range x {
			y[i] = v * cdf[i]
		}
	}
}

// unread receives a block's gradients of γ and β.
type unread[T Float] [exactBlock]T

// exactGELUBackward computes dx = dy·(cdf + x·φ(x)) with φ(x) = exp(−x²/2)/√(2π).
func exactGELUBackward[T Float](dx, x, cdf, dy []T) {
	u := borrow[unread[T]]()
	for from := 0; from < len(x); from += exactBlock {
		n := min(exactBlock, len(x)-from)
		dx, x, cdf, dy := dx[from:][:n], x[from:][:n], cdf[from:][:n], dy[from:][:n]
		// With γ = x it computes dx = dy·x·2φ(x), because 2φ(x) is the slope of erf(x/√2).
		simd.Of[T]().DerfBackward(dx, x, cdf, dy, x, u[:n], u[:n], rootHalf, 0, 1)
		for i, d := range dy {
			dx[i] = T(d*cdf[i]) + T(dx[i]/2)
		}
	}
	giveBack(u)
}
