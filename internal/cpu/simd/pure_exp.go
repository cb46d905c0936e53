package simd

import "math"

func softmax[T Float](p, x []T) (top, sum T) {
	top = T(math.Inf(-1))
	for _, v := range x {
		top = max(top, v)
	}
	var z float64
	for i, v := range x {
		p[i] = T(math.Exp(float64(v - top)))
		z += float64(p[i])
	}
	sum = T(z)
	scale(p, p, 1/sum)
	return top, sum
}

func softmaxBackward[T Float](dp, p []T) {
	var dot T
	for i, v := range p {
		dot += v * dp[i]
	}
	for i, v := range p {
		dp[i] = v * (dp[i] - dot)
	}
}

const (
	geluScale = 2 * 0.7978845608028654 // 2·√(2/π)
	geluCubic = 0.044715
)

func gelu[T Float](y, h, x []T) {
	for i, v := range x {
		z := -abs(v * (geluScale + geluScale*geluCubic*(v*v)))
		e := math.Exp(float64(z))
		h[i] = T(e / (1 + e))
		y[i] = max(v, 0) - abs(v)*h[i]
	}
}

func geluBackward[T Float](dx, x, h, dy []T) {
	for i, v := range x {
		// Where v² is larger, h is zero.
		slope := geluScale + 3*geluScale*geluCubic*min(v*v, 1e4)
		s := h[i]
		if v > 0 {
			s = 1 - h[i]
		}
		dx[i] = dy[i] * (s + v*h[i]*(1-h[i])*slope)
	}
}

func abs[T Float](v T) T { return T(math.Abs(float64(v))) }

func adamW[T Float](w, m, v, g []T, beta1, rest1, beta2, rest2, keep, lr, bias2, eps T) {
	for i, d := range g {
		m[i] = beta1*m[i] + rest1*d
		v[i] = beta2*v[i] + rest2*d*d
		w[i] = w[i]*keep - lr*m[i]/(T(math.Sqrt(float64(v[i])))/bias2+eps)
	}
}
