package cpu

import "gorgonorm/internal/cpu/simd"

type geluTask[T Float] struct{ y, h, x []T }

// GELU is the tanh form of the Gaussian error linear unit (Hendrycks & Gimpel
// 2016), the one GPT-2 uses. With the logistic function in the place of tanh,
// (1 + tanh u)/2 = s = 1/(1 + exp(−2u)):
//
//	u = √(2/π)·(x + 0.044715·x³)    y = x·s
//
// h, the smaller of s and 1 − s, is kept for GELUBackward: either is known from it
// to all its digits.
func GELU[T Float](y, x, h []T) {
	t := borrow[geluTask[T]]()
	*t = geluTask[T]{y, h, x}
	parallel(t, spanChunks(len(y)))
	*t = geluTask[T]{}
	giveBack(t)
}

func (t *geluTask[T]) run(chunk int) {
	i, j := spanOf(chunk, len(t.y))
	simd.Of[T]().GELU(t.y[i:j], t.h[i:j], t.x[i:j])
}

type geluBackwardTask[T Float] struct{ dx, x, h, dy []T }

// GELUBackward: dx = dy·(s + 2·x·h·(1 − h)·√(2/π)·(1 + 3·0.044715·x²)).
func GELUBackward[T Float](dx, x, h, dy []T) {
	t := borrow[geluBackwardTask[T]]()
	*t = geluBackwardTask[T]{dx, x, h, dy}
	parallel(t, spanChunks(len(dx)))
	*t = geluBackwardTask[T]{}
	giveBack(t)
}

func (t *geluBackwardTask[T]) run(chunk int) {
	i, j := spanOf(chunk, len(t.dx))
	simd.Of[T]().GELUBackward(t.dx[i:j], t.x[i:j], t.h[i:j], t.dy[i:j])
}
