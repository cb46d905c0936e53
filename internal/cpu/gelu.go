package cpu

import "gorgonorm/internal/cpu/simd"

// GELU is the Gaussian error linear unit (Hendrycks & Gimpel 2016), with the normal distribution's Φ
// and φ = Φ':
//
//	y = x·Φ(x) = x/2·(1 + erf(x/√2))    dx = dy·(Φ(x) + x·φ(x))
//
// if Exact, and otherwise its tanh form, which GPT-2 uses. With the logistic function in the place of
// tanh, (1 + tanh u)/2 = s = 1/(1 + exp(−2u)), that is
//
//	u = √(2/π)·(x + 0.044715·x³)    y = x·s
//	dx = dy·(s + 2·x·s·(1 − s)·√(2/π)·(1 + 3·0.044715·x²))
//
// The error of the exact form's Φ is a rounding of 1, as in PyTorch, not one of Φ: where Φ is 1e-9, at
// −6, it becomes 0 in float32. As in PyTorch, the exact y of −Inf and dx of ±Inf are NaN. The tanh form
// has all its digits in the tail.
type GELU[T Float] struct {
	Exact bool
	// kept is Φ(x) if Exact. Otherwise it is the smaller of s and 1 − s, which determines both to all
	// their digits.
	kept []T

	y, x, dx, dy []T // of the pass under way
}

type (
	geluForward[T Float]  GELU[T]
	geluBackward[T Float] GELU[T]
)

// Forward computes y.
func (g *GELU[T]) Forward(y, x []T) {
	g.kept = Grow(g.kept, len(x))
	g.y, g.x = y, x
	parallel((*geluForward[T])(g), spanChunks(len(x)))
	g.y, g.x = nil, nil
}

// Backward computes dx.
func (g *GELU[T]) Backward(dx, x, dy []T) {
	g.dx, g.x, g.dy = dx, x, dy
	parallel((*geluBackward[T])(g), spanChunks(len(x)))
	g.dx, g.x, g.dy = nil, nil, nil
}

func (g *geluForward[T]) run(chunk int) {
	forward := simd.Of[T]().GELU
	if g.Exact {
		forward = exactGELU
	}
	i, j := spanOf(chunk, len(g.x))
	forward(g.y[i:j], g.kept[i:j], g.x[i:j])
}

func (g *geluBackward[T]) run(chunk int) {
	backward := simd.Of[T]().GELUBackward
	if g.Exact {
		backward = exactGELUBackward
	}
	i, j := spanOf(chunk, len(g.x))
	backward(g.dx[i:j], g.x[i:j], g.kept[i:j], g.dy[i:j])
}
