package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
	"gorgonorm/internal/portable"
)

// ColumnMoments writes the mean and the variance of each column of x.
func ColumnMoments[T Float](mean, variance []float64, x []T, rows, cols int) {
	f := borrow[featureNorm[T]]()
	f.start(x, 1, rows, cols, 1)
	f.moments()
	copy(mean, f.means)
	copy(variance, f.variances)
	f.forget()
	giveBack(f)
}

// MaxAbs returns the largest |x|, or NaN if there is one. It compares bits: without their sign,
// those of floats are in the floats' order, with NaN above infinity. Comparing floats would take
// a branch, which random signs mispredict half the time.
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

// LogSumExp writes log Σ exp(x) of each row. The scratch is as long as a row.
func LogSumExp[T Float](sums []float64, x, scratch []T) {
	cols := len(scratch)
	for r := range sums {
		top, sum := softmax(simd.Of[T](), scratch, x[r*cols:(r+1)*cols])
		sums[r] = float64(top) + portable.Log(sum)
	}
}

// SquaredDistance returns Σ(a−b)², computed in float64.
func SquaredDistance[T Float](a, b []T) (s float64) {
	for i, v := range a {
		d := float64(v - b[i])
		s += float64(d * d)
	}
	return s
}
