package simd

import (
	"math"
	"slices"
)

// blockCols is the number of columns that are summed in float64 before their sum is added to
// others. A longer sum of equal terms would collect roundings of one sign.
const blockCols = 64

func layerNorm[T Float](y, x, gamma, beta, mean, shift, rstd []T, eps float64, _ bool) {
	cols := len(gamma)
	for r := range rstd {
		row, out := x[r*cols:(r+1)*cols], y[r*cols:(r+1)*cols]
		m, rest, variance := rowMoments(row)
		s := 1 / math.Sqrt(variance+eps)
		mean[r], shift[r], rstd[r] = m, T(rest*s), T(s)
		for j, v := range row {
			xhat := T((v-m)*rstd[r]) - shift[r]
			out[j] = T(xhat*gamma[j]) + beta[j]
		}
	}
}

// rowMoments returns a row's mean rounded to T, the rest of the mean, and the variance. The
// first mean, about, may be some roundings off; the mean of the deviations from it corrects it.
func rowMoments[T Float](row []T) (mean T, rest, variance float64) {
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

func layerNormBackward[T Float](dx, x, dy, gamma, mean, shift, rstd, dgamma, dbeta []T, _ bool) {
	cols := len(gamma)
	for r, s := range rstd {
		row, g, d := x[r*cols:(r+1)*cols], dy[r*cols:(r+1)*cols], dx[r*cols:(r+1)*cols]
		var sumG, sumGX float64
		for from := 0; from < cols; from += blockCols {
			var blockG, blockGX float64
			to := min(from+blockCols, cols)
			g, gamma, dgamma, dbeta := g[from:to], gamma[from:to], dgamma[from:to], dbeta[from:to]
			for j, v := range row[from:to] {
				xhat := T((v-mean[r])*s) - shift[r]
				dgamma[j] += T(g[j] * xhat)
				dbeta[j] += g[j]
				v := g[j] * gamma[j]
				blockG += float64(v)
				blockGX += float64(float64(v) * float64(xhat))
			}
			sumG, sumGX = sumG+blockG, sumGX+blockGX
		}
		meanG, meanGX := T(sumG/float64(cols)), T(sumGX/float64(cols))
		for j, v := range row {
			xhat := T((v-mean[r])*s) - shift[r]
			d[j] = s * (T(g[j]*gamma[j]) - meanG - T(xhat*meanGX))
		}
	}
}

func rmsNorm[T Float](y, x, gamma, rstd []T, eps float64, _ bool) {
	cols := len(gamma)
	for r := range rstd {
		row, out := x[r*cols:(r+1)*cols], y[r*cols:(r+1)*cols]
		s := T(1 / math.Sqrt(sumSquares(row)/float64(cols)+eps))
		rstd[r] = s
		for j, v := range row {
			out[j] = v * s * gamma[j]
		}
	}
}

func rmsNormBackward[T Float](dx, x, dy, gamma, rstd, dgamma []T, _ bool) {
	cols := len(gamma)
	for r, s := range rstd {
		row, g, d := x[r*cols:(r+1)*cols], dy[r*cols:(r+1)*cols], dx[r*cols:(r+1)*cols]
		var sumGX float64
		for from := 0; from < cols; from += blockCols {
			var block float64
			to := min(from+blockCols, cols)
			g, gamma, dgamma := g[from:to], gamma[from:to], dgamma[from:to]
			for j, v := range row[from:to] {
				dgamma[j] += T(g[j] * (v * s))
				block += float64(float64(g[j]*gamma[j]) * float64(v*s))
			}
			sumGX += block
		}
		meanGX := T(sumGX / float64(cols))
		for j, v := range row {
			d[j] = s * (T(g[j]*gamma[j]) - T(v*s*meanGX))
		}
	}
}

// windowRows is the number of rows that are summed before their sum is added to others.
const windowRows = 8

func columnSums[T Float](sum, squares, pilot, x []T, rows, stride int) {
	for r := 0; r < rows; r += windowRows {
		window := x[r*stride : (min(r+windowRows, rows)-1)*stride+len(sum)]
		for j := range sum {
			var s, q T
			for at := j; at < len(window); at += stride {
				d := window[at] - pilot[j]
				s += d
				q += T(d * d)
			}
			sum[j] += s
			squares[j] += q
		}
	}
}

func columnNorm[T Float](y, x, mean, scale, offset []T, rows, stride int, _ bool) {
	for r := range rows {
		out := y[r*stride:][:len(mean)]
		for j, v := range x[r*stride:][:len(mean)] {
			out[j] = T((v-mean[j])*scale[j]) + offset[j]
		}
	}
}

func columnGradientSums[T Float](dgamma, dbeta, mean, rstd, x, dy []T, rows, stride int) {
	for r := 0; r < rows; r += windowRows {
		end := (min(r+windowRows, rows)-1)*stride + len(mean)
		window, dyWindow := x[r*stride:end], dy[r*stride:end]
		for j, m := range mean {
			var dg, db T
			s := rstd[j]
			for at := j; at < len(window); at += stride {
				g := dyWindow[at]
				dg += T(g * ((window[at] - m) * s))
				db += g
			}
			dgamma[j] += dg
			dbeta[j] += db
		}
	}
}

func columnNormBackward[T Float](dx, x, dy, mean, rstd, scale, offset, slope []T, rows, stride int, _ bool) {
	for r := range rows {
		g, d := dy[r*stride:][:len(mean)], dx[r*stride:][:len(mean)]
		for j, v := range x[r*stride:][:len(mean)] {
			d[j] = T(g[j]*scale[j]) - offset[j] - T((v-mean[j])*rstd[j]*slope[j])
		}
	}
}

func accumulate[T Float](sum []float64, x []T) {
	for i, v := range x {
		sum[i] += float64(v)
	}
}
