package simd

import "math"

// Each term of dγ is rounded once, together with the sum, as in the assembly.

func dyT[T Float](y, x, gamma, beta []T, alpha T, rows int) {
	cols := len(gamma)
	for r := range rows {
		out := y[r*cols : (r+1)*cols]
		for j, v := range x[r*cols : (r+1)*cols] {
			out[j] = T(gamma[j]*T(math.Tanh(float64(alpha)*float64(v)))) + beta[j]
		}
	}
}

func dyTBackward[T Float](dx, x, dy, gamma, dgamma, dbeta []T, alpha T, rows int) (dalpha float64) {
	cols := len(gamma)
	for r := range rows {
		g, d := dy[r*cols:(r+1)*cols], dx[r*cols:(r+1)*cols]
		for j, v := range x[r*cols : (r+1)*cols] {
			u := float64(alpha) * float64(v)
			e := math.Exp(-2 * math.Abs(u)) // gives 1 − tanh² to all its digits, for large u too
			slope := 4 * e / ((1 + e) * (1 + e))
			dgamma[j] = T(math.FMA(float64(g[j]), math.Tanh(u), float64(dgamma[j])))
			dbeta[j] += g[j]
			h := float64(g[j]) * float64(gamma[j]) * slope
			dalpha += float64(h * float64(v))
			d[j] = T(h * float64(alpha))
		}
	}
	return dalpha
}

func derf[T Float](y, erf, x, gamma, beta []T, alpha, shift T, rows int) {
	cols := len(gamma)
	for r := range rows {
		out, kept := y[r*cols:(r+1)*cols], erf[r*cols:(r+1)*cols]
		for j, v := range x[r*cols : (r+1)*cols] {
			kept[j] = T(math.Erf(math.FMA(float64(alpha), float64(v), float64(shift))))
			out[j] = T(gamma[j]*kept[j]) + beta[j]
		}
	}
}

func derfBackward[T Float](
	dx, x, erf, dy, gamma, dgamma, dbeta []T, alpha, shift T, rows int,
) (dalpha, dshift float64) {
	cols := len(gamma)
	for r := range rows {
		g, d, kept := dy[r*cols:(r+1)*cols], dx[r*cols:(r+1)*cols], erf[r*cols:(r+1)*cols]
		for j, v := range x[r*cols : (r+1)*cols] {
			u := math.FMA(float64(alpha), float64(v), float64(shift))
			dgamma[j] = T(math.FMA(float64(g[j]), float64(kept[j]), float64(dgamma[j])))
			dbeta[j] += g[j]
			h := float64(float64(g[j]) * float64(gamma[j]) * (2 / math.SqrtPi) * math.Exp(-u*u))
			dalpha += float64(h * float64(v))
			dshift += h
			d[j] = T(h * float64(alpha))
		}
	}
	return dalpha, dshift
}
