package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
)

// ColumnMoments takes the mean and the variance of each column's rows.
func ColumnMoments[T Float](mean, variance []float64, x []T, rows, cols int) {
	c := newColumnNorm(x, rows, cols)
	c.moments(mean, variance)
	c.release()
}

// MaxAbs is the largest |x|, or NaN if there is one.
func MaxAbs[T Float](x []T) (top T) {
	for _, v := range x {
		if v < 0 {
			v = -v
		}
		if !(v <= top) {
			top = v
			if math.IsNaN(float64(v)) {
				return v
			}
		}
	}
	return top
}

// LogSumExp is log Σ exp(x) of each row; scratch is as long as a row.
func LogSumExp[T Float](sums []float64, x, scratch []T) {
	cols := len(scratch)
	for r := range sums {
		top, sum := softmax(simd.Of[T](), scratch, x[r*cols:(r+1)*cols])
		sums[r] = float64(top) + math.Log(sum)
	}
}

// SquaredDistance is Σ(a−b)², taken in float64.
func SquaredDistance[T Float](a, b []T) (s float64) {
	for i, v := range a {
		d := float64(v - b[i])
		s += d * d
	}
	return s
}
