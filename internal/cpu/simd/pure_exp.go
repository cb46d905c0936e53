package simd

import "math"

func maximum[T Float](x []T) T {
	top := T(math.Inf(-1))
	for _, v := range x {
		top = max(top, v)
	}
	return top
}

func expSum[T Float](p, x []T, top T) T {
	var sum float64
	for i, v := range x {
		e := math.Exp(float64(v) - float64(top))
		p[i] = T(e)
		sum += e
	}
	return T(sum)
}

func softmax[T Float](p, x []T) (top, sum T) {
	top = maximum(x)
	sum = expSum(p, x, top)
	scale(p, p, 1/sum)
	return top, sum
}

func softmaxBackward[T Float](dp, p []T) {
	var dot float64
	for i, v := range p {
		dot += float64(float64(v) * float64(dp[i]))
	}
	for i, v := range p {
		dp[i] = v * (dp[i] - T(dot))
	}
}

const (
	geluScale = 2 * 0.7978845608028654 // 2·√(2/π)
	geluCubic = 0.044715
)

func gelu[T Float](y, h, x []T) {
	for i, v := range x {
		x := float64(v)
		e := math.Exp(-math.Abs(x * (geluScale + float64(geluScale*geluCubic*(x*x)))))
		h[i] = T(e / (1 + e))
		y[i] = max(v, 0) - T(abs(v)*h[i])
	}
}

func geluBackward[T Float](dx, x, h, dy []T) {
	for i, v := range x {
		// If v² is larger, h is zero.
		slope := geluScale + T(3*geluScale*geluCubic*min(v*v, 1e4))
		s := h[i]
		if v > 0 {
			s = 1 - h[i]
		}
		dx[i] = dy[i] * (s + T(v*h[i]*(1-h[i])*slope))
	}
}

func abs[T Float](v T) T { return T(math.Abs(float64(v))) }

func adamW[T Float](w, m, v, g []T, beta1, rest1, beta2, rest2, keep, lr, bias2, eps T) {
	for i, d := range g {
		m[i] = T(beta1*m[i]) + T(rest1*d)
		v[i] = T(beta2*v[i]) + T(rest2*d*d)
		w[i] = T(w[i]*keep) - lr*m[i]/(T(math.Sqrt(float64(v[i])))/bias2+eps)
	}
}
