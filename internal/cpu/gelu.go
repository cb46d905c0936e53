package cpu

import "math"

const (
	geluScale = 0.7978845608028654 // √(2/π)
	geluCubic = 0.044715
)

// GELU is the tanh form of the Gaussian error linear unit (Hendrycks & Gimpel
// 2016), the one GPT-2 uses:
//
//	t = tanh(√(2/π)·(x + 0.044715·x³))    y = x·(1 + t)/2
//
// tanh keeps t for GELUBackward.
func GELU[T Float](y, x, tanh []T) {
	for i, v := range x {
		t := T(math.Tanh(float64(geluScale * (v + geluCubic*v*v*v))))
		tanh[i] = t
		y[i] = v * ((1 + t) / 2)
	}
}

// GELUBackward: dx = dy·((1 + t)/2 + x·(1 − t²)/2·√(2/π)·(1 + 3·0.044715·x²)).
func GELUBackward[T Float](dx, x, tanh, dy []T) {
	for i, v := range x {
		t := tanh[i]
		slope := geluScale * (1 + 3*geluCubic*v*v)
		if t == 1 || t == -1 { // the tail: x² may overflow while 1 − t² is zero
			slope = 0
		}
		dx[i] = dy[i] * ((1+t)/2 + v*(1-t*t)/2*slope)
	}
}
