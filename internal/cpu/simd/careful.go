package simd

import (
	"math"
	"slices"
)

// Careful returns kernels for rows whose squares overflow, or vanish, in T: Scale, and LayerNorm and
// RMSNorm with statistics in float64. It has no others.
func Careful[T Float]() *Kernels[T] { return either[*Kernels[T]](careful32, careful64) }

var careful32, careful64 = careful[float32](), careful[float64]()

func careful[T Float]() *Kernels[T] {
	return &Kernels[T]{Name: "careful", Scale: scale[T], LayerNorm: carefulLayerNorm[T], RMSNorm: carefulRMSNorm[T]}
}

// blockCols is the number of columns that are summed in float64 before their sum is added to
// others. A longer sum of equal terms would collect roundings of one sign.
const blockCols = 64

func carefulLayerNorm[T Float](y, x, gamma, beta, mean, shift, rstd []T, eps float64, _ bool) {
	cols := len(gamma)
	for r := range rstd {
		row, out := x[r*cols:(r+1)*cols], y[r*cols:(r+1)*cols]
		m, rest, variance := momentsOf(row)
		s := 1 / math.Sqrt(variance+eps)
		mean[r], shift[r], rstd[r] = m, T(rest*s), T(s)
		for j, v := range row {
			xhat := T((v-m)*rstd[r]) - shift[r]
			out[j] = T(xhat*gamma[j]) + beta[j]
		}
	}
}

// momentsOf returns a row's mean rounded to T, the rest of the mean, and the variance. The
// first mean, about, may be some roundings off; the mean of the deviations from it corrects it.
func momentsOf[T Float](row []T) (mean T, rest, variance float64) {
	n := float64(len(row))
	var sum, squares float64
	for block := range slices.Chunk(row, blockCols) {
		var s float64
		for _, v := range block {
			s += float64(v)
		}
		sum += s
	}
	about := float64(T(sum / n))
	sum = 0
	for block := range slices.Chunk(row, blockCols) {
		var s, q float64
		for _, v := range block {
			d := float64(v) - about
			s += d
			q += float64(d * d)
		}
		sum, squares = sum+s, squares+q
	}
	delta := sum / n
	mean = T(about + delta)
	return mean, about - float64(mean) + delta, max(0, squares/n-float64(delta*delta))
}

func carefulRMSNorm[T Float](y, x, gamma, rstd []T, eps float64, _ bool) {
	cols := len(gamma)
	for r := range rstd {
		row, out := x[r*cols:(r+1)*cols], y[r*cols:(r+1)*cols]
		s := T(1 / math.Sqrt(squaresOf(row)/float64(cols)+eps))
		rstd[r] = s
		for j, v := range row {
			out[j] = v * s * gamma[j]
		}
	}
}

// squaresOf returns Σx².
func squaresOf[T Float](x []T) (sum float64) {
	for block := range slices.Chunk(x, blockCols) {
		var s float64
		for _, v := range block {
			s += float64(float64(v) * float64(v))
		}
		sum += s
	}
	return sum
}
