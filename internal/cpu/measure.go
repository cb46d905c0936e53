package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
)

// ColumnMoments takes the mean and the variance of each column's rows.
func ColumnMoments[T Float](mean, variance []float64, x []T, rows, cols int) {
	c := newChannelNorm(x, 1, rows, cols, 1)
	c.moments(mean, variance)
	c.release()
}

// MaxAbs is the largest |x|, or NaN if there is one. Without their sign, the bits
// of floats are in the floats' order, NaN above infinity, and are compared without
// a branch, which a random sign would mislead half the time.
func MaxAbs[T Float](x []T) T {
	if x, ok := any(x).([]float32); ok {
		var a, b uint32
		for ; len(x) >= 2; x = x[2:] {
			a, b = max(a, math.Float32bits(x[0])<<1), max(b, math.Float32bits(x[1])<<1)
		}
		for _, v := range x {
			a = max(a, math.Float32bits(v)<<1)
		}
		return T(math.Float32frombits(max(a, b) >> 1))
	}
	var a uint64
	for _, v := range any(x).([]float64) {
		a = max(a, math.Float64bits(v)<<1)
	}
	return T(math.Float64frombits(a >> 1))
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
