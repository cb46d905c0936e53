package simd

import "math"

// erfFit holds the numbers of erf(v) = 1 − exp(−v·(2/√π + v·R(v − centre))) for v ≥ 0. From bound on, erf is 1.
type erfFit[T Float] struct {
	bound, centre T
	r             []T // of R
}

// tanh returns tanh(α·x). With e = exp(−2|u|) and m = 1 − e, tanh|u| = m/(2 − m), which has all its digits for
// small u too.
func tanh[T Float](e *exponential[T], alpha, x T) T {
	u, z, _ := e.tanhArguments(alpha, x)
	m := lessExp(e.parts(z))
	return copySign(m/(2-m), u)
}

// tanhArguments returns 2u, for its sign, −2|u|, or low if that is larger, and whether it is not.
func (e *exponential[T]) tanhArguments(alpha, x T) (twoU, z T, kept bool) {
	twoU = (alpha + alpha) * x
	z = -abs(twoU)
	if z < e.low {
		return twoU, e.low, false
	}
	return twoU, z, true
}

// tanhSlope returns tanh(α·x) again, and e/(2 − m)², a quarter of its derivative.
func tanhSlope[T Float](e *exponential[T], alpha, x T) (value, slope T) {
	u, z, kept := e.tanhArguments(alpha, x)
	s, p := e.parts(z)
	m := lessExp(s, p)
	if kept {
		slope = fma(s, p, s)
	}
	d := 1 / (2 - m)
	return copySign(d*m, u), d * (d * slope)
}

func dyT[T Float](y, x, gamma, beta []T, alpha T, rows int) {
	e, cols := expOf[T](), len(gamma)
	for r := range rows {
		out := y[r*cols : (r+1)*cols]
		for j, v := range x[r*cols : (r+1)*cols] {
			out[j] = fma(gamma[j], tanh(e, alpha, v), beta[j])
		}
	}
}

func dyTBackward[T Float](dx, x, dy, gamma, dgamma, dbeta []T, alpha T, rows int) (dalpha float64) {
	e := expOf[T]()
	dalpha, _ = pointwiseBackward(dx, x, dy, gamma, dgamma, dbeta, alpha, rows, 4, func(i int) (value, slope T) {
		return tanhSlope(e, alpha, x[i])
	})
	return dalpha
}

func derf[T Float](y, erf, x, gamma, beta []T, alpha, shift T, rows int) {
	e, fit, cols := expOf[T](), either[*erfFit[T]](erf32, erf64), len(gamma)
	for r := range rows {
		out, kept := y[r*cols:(r+1)*cols], erf[r*cols:(r+1)*cols]
		for j, v := range x[r*cols : (r+1)*cols] {
			u := fma(alpha, v, shift)
			kept[j] = copySign(fit.of(e, abs(u)), u)
			out[j] = fma(gamma[j], kept[j], beta[j])
		}
	}
}

// of returns erf(v) for v ≥ 0.
func (f *erfFit[T]) of(e *exponential[T], v T) T {
	if v > f.bound {
		v = f.bound
	}
	return lessExp(e.parts(-v * fma(v, horner(f.r, v-f.centre), 2/math.SqrtPi)))
}

func derfBackward[T Float](
	dx, x, erf, dy, gamma, dgamma, dbeta []T, alpha, shift T, rows int,
) (dalpha, dshift float64) {
	e := expOf[T]()
	const factor = 2 / math.SqrtPi
	return pointwiseBackward(dx, x, dy, gamma, dgamma, dbeta, alpha, rows, factor, func(i int) (value, slope T) {
		u := fma(alpha, x[i], shift)
		z := -(u * u)
		k, power := e.whole(z)
		return erf[i], e.of(z, k, power, fma(-e.ln2, k, z))
	})
}

// pointwiseBackward writes dx and adds to dγ and dβ, for y = γ·f(u) + β. of returns f of element i, and f'/factor.
func pointwiseBackward[T Float](
	dx, x, dy, gamma, dgamma, dbeta []T, alpha T, rows int, factor float64, of func(i int) (value, slope T),
) (dalpha, dshift float64) {
	cols, scale := len(gamma), T(factor)*alpha
	var sum, sumX eighths[T]
	for r := range rows {
		for j := range cols {
			i := r*cols + j
			value, slope := of(i)
			dgamma[j] = fma(dy[i], value, dgamma[j])
			dbeta[j] += dy[i]
			g := T(slope * (gamma[j] * dy[i]))
			l := lane[T](j)
			sumX.lanes[l] = fma(x[i], g, sumX.lanes[l])
			sum.lanes[l] += g
			dx[i] = scale * g
			if j == cols-1 || folds[T](j, cols) {
				sumX.fold()
				sum.fold()
			}
		}
	}
	return float64(factor * sumX.totals.tree(8)), float64(factor * sum.totals.tree(8))
}

// eighths is a sum over rows in T, whose lanes are added in float64 to eight totals after every few vectors and
// after each row.
type eighths[T Float] struct {
	lanes  vector[T]
	totals vector[float64]
}

func (s *eighths[T]) fold() {
	for i, v := range s.lanes[:width[T]()] {
		s.totals[i%8] += float64(v)
	}
	s.lanes = vector[T]{}
}
