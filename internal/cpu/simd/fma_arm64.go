package simd

import "math"

// fma returns a·b + c, rounded once: here the compiler fuses a sum with a product that is not converted. c is, because
// it may be another product.
func fma[T Float](a, b, c T) T {
	if double[T]() {
		return T(math.FMA(float64(a), float64(b), float64(c)))
	}
	return a*b + T(c)
}

// addProducts computes sum += a·x, each element rounded once.
func addProducts[T Float](sum, x []T, a T) {
	sum = sum[:len(x)]
	for j, v := range x {
		sum[j] = fma(a, v, sum[j])
	}
}

// almost is 1 + 2^-13, whose square has a bit more than float32.
var almost float32 = 1 + 0x1p-13

func init() {
	if fma(almost, almost, -1-0x1p-12) == 0 {
		panic("simd: the compiler does not round a·b + c once")
	}
}
