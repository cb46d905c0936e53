package cpu

import "gorgonorm/internal/cpu/simd"

type geluTask[T Float] struct{ y, s, x []T }

var gelus lists[geluTask[float32], geluTask[float64]]

// GELU is the tanh form of the Gaussian error linear unit (Hendrycks & Gimpel
// 2016), the one GPT-2 uses. With the logistic function in the place of tanh,
// (1 + tanh u)/2 = 1/(1 + exp(−2u)), nothing cancels where x is negative:
//
//	u = √(2/π)·(x + 0.044715·x³)    s = 1/(1 + exp(−2u))    y = x·s
//
// s is kept for GELUBackward.
func GELU[T Float](y, x, s []T) {
	list := listOf[geluTask[T]](&gelus)
	t := list.get()
	*t = geluTask[T]{y, s, x}
	parallel(t, spans(len(y)))
	*t = geluTask[T]{}
	list.put(t)
}

func (t *geluTask[T]) run(chunk int) {
	i, j := bounds(chunk, len(t.y))
	simd.Of[T]().GELU(t.y[i:j], t.s[i:j], t.x[i:j])
}

type geluBackwardTask[T Float] struct{ dx, x, s, dy []T }

var geluBackwards lists[geluBackwardTask[float32], geluBackwardTask[float64]]

// GELUBackward: dx = dy·(s + 2·x·s·(1 − s)·√(2/π)·(1 + 3·0.044715·x²)).
func GELUBackward[T Float](dx, x, s, dy []T) {
	list := listOf[geluBackwardTask[T]](&geluBackwards)
	t := list.get()
	*t = geluBackwardTask[T]{dx, x, s, dy}
	parallel(t, spans(len(dx)))
	*t = geluBackwardTask[T]{}
	list.put(t)
}

func (t *geluBackwardTask[T]) run(chunk int) {
	i, j := bounds(chunk, len(t.dx))
	simd.Of[T]().GELUBackward(t.dx[i:j], t.x[i:j], t.s[i:j], t.dy[i:j])
}
