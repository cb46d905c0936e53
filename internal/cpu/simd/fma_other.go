//go:build !arm64

package simd

import "math"

// fma returns a·b + c, rounded once.
func fma[T Float](a, b, c T) T {
	if double[T]() {
		return T(math.FMA(float64(a), float64(b), float64(c)))
	}
	p := float64(float64(a) * float64(b)) // exact
	s := p + float64(c)
	if halfway(s) {
		return T(toOdd(p, float64(c), s))
	}
	return T(s)
}

// addProducts computes sum += a·x, each element rounded once. It does not call fma for each element.
func addProducts[T Float](sum, x []T, a T) {
	sum = sum[:len(x)]
	if double[T]() {
		for j, v := range x {
			sum[j] = T(math.FMA(float64(a), float64(v), float64(sum[j])))
		}
		return
	}
	for j, v := range x {
		p := float64(float64(a) * float64(v))
		s := p + float64(sum[j])
		if halfway(s) {
			s = toOdd(p, float64(sum[j]), s)
		}
		sum[j] = T(s)
	}
}

// halfway reports whether rounding s, a rounded sum, to float32 may differ from rounding the sum to float32 at once.
// It does if s is halfway between two float32: its last 29 bits are then 1 followed by zeros. Below 2^-126
// float32 has fewer digits.
func halfway(s float64) bool {
	b := math.Float64bits(s)
	return b<<35 == 1<<63 || b<<1 < (1023-126)<<53
}

// toOdd returns p + c, whose rounded sum is s, rounded to an odd last digit unless it is exact. Rounding that to
// float32 rounds p + c to float32 once (Boldo & Melquiond 2008).
//
//go:noinline
func toOdd(p, c, s float64) float64 {
	of := s - p
	rest := (p - (s - of)) + (c - of) // Knuth's 2Sum
	bits := math.Float64bits(s)
	switch {
	case !(rest > 0 || rest < 0) || bits&1 == 1: // exact, NaN, or odd
	case (rest > 0) == (s > 0):
		bits++
	default:
		bits--
	}
	return math.Float64frombits(bits)
}
