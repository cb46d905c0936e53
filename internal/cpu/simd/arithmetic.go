package simd

import (
	"math"
	"unsafe"
)

// The kernels in Go compute what the assembly does, to the bit. A vector has 64 bytes on every machine:
// a register of AVX-512, two of AVX2, and here an array. Element j of a row belongs to lane j modulo
// the number of lanes, and a sum adds to its lanes, which are added in a tree in the end.

// double reports whether T is float64. The compiler knows.
func double[T Float]() bool { return unsafe.Sizeof(T(0)) == 8 }

// width returns the number of lanes of a vector.
func width[T Float]() int { return 64 / int(unsafe.Sizeof(T(0))) }

// lane returns that of element j of a row.
func lane[T Float](j int) int { return j & (width[T]() - 1) }

// vector has one element for each lane. Those of float64 use the first half, except sums of products
// of float32.
type vector[T Float] [16]T

// tree adds the first n lanes, a power of 2: the second half to the first, and so on.
func (v *vector[T]) tree(n int) T {
	for n /= 2; n > 0; n /= 2 {
		for i := range n {
			v[i] += v[i+n]
		}
	}
	return v[0]
}

// rowSum is a sum over a block of a row. So that a long sum of equal terms does not collect roundings of
// one sign, its lanes are added to those of totals, and set to zero, after every few vectors.
type rowSum[T Float] struct{ lanes, totals vector[T] }

func (s *rowSum[T]) fold() {
	for i, v := range s.lanes {
		s.totals[i] += v
	}
	s.lanes = vector[T]{}
}

func (s *rowSum[T]) sum() float64 {
	s.fold()
	return float64(s.totals.tree(width[T]()))
}

// folds reports whether sums fold after element j of a block of n elements: before the last eight full
// vectors, the eight before those, …
func folds[T Float](j, n int) bool {
	left := (n - j - 1) / width[T]()
	return lane[T](j+1) == 0 && left > 0 && left%8 == 0
}

// dot returns Σx·y, summed in float64.
func dot[T Float](x, y []T) float64 {
	var sum vector[float64]
	for i, v := range x {
		s := &sum[lane[T](i)]
		if double[T]() {
			*s = math.FMA(float64(v), float64(y[i]), *s)
		} else { // the product is exact
			*s += float64(float64(v) * float64(y[i]))
		}
	}
	return sum.tree(width[T]())
}
