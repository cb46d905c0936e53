package simd

import (
	"math"
	"slices"
)

// blockVectors is the number of vectors of a row that are summed in T before their sum is added in float64.
const blockVectors = 32

func layerNorm[T Float](y, x, gamma, beta, mean, shift, rstd []T, eps float64, _ bool) {
	cols := len(gamma)
	for r := range rstd {
		row, out := x[r*cols:(r+1)*cols], y[r*cols:(r+1)*cols]
		m, rest, s := rowMoments(row, eps)
		mean[r], shift[r], rstd[r] = m, rest, s
		for j, v := range row {
			out[j] = fma(gamma[j], fma(s, v-m, -rest), beta[j])
		}
	}
}

// rowMoments returns the statistics of a row. The first mean, about, may be some roundings off. The mean of the
// deviations from it, delta, is added to it if it is more than a quarter of a standard deviation, and to the
// shift otherwise.
func rowMoments[T Float](row []T, eps float64) (mean, shift, rstd T) {
	n := float64(len(row))
	about := T(rowSumOf(row) / n)
	sum, squares := deviations(row, about)
	delta, variance := sum/n, squares/n
	square := float64(delta * delta)
	variance = max(0, variance-square)
	off := delta
	if 16*square < variance {
		off = 0
	}
	s := 1 / math.Sqrt(variance+eps)
	mean = T(float64(about) + off)
	return mean, T(s * (delta + (float64(about) - float64(mean)))), T(s)
}

// rowSumOf returns Σx. Its blocks may be longer than those of other sums, because deviations corrects it.
func rowSumOf[T Float](row []T) (sum float64) {
	for block := range slices.Chunk(row, 2*blockVectors*width[T]()) {
		var s rowSum[T]
		for j, v := range block {
			s.lanes[lane[T](j)] += v
		}
		sum += s.sum()
	}
	return sum
}

// deviations returns Σ(x−about) and Σ(x−about)².
func deviations[T Float](row []T, about T) (sum, squares float64) {
	for block := range slices.Chunk(row, blockVectors*width[T]()) {
		var d, q rowSum[T]
		for j, v := range block {
			v -= about
			l := lane[T](j)
			d.lanes[l] += v
			q.lanes[l] = fma(v, v, q.lanes[l])
			if folds[T](j, len(block)) {
				d.fold()
				q.fold()
			}
		}
		sum, squares = sum+d.sum(), squares+q.sum()
	}
	return sum, squares
}

func layerNormBackward[T Float](dx, x, dy, gamma, mean, shift, rstd, dgamma, dbeta []T, _ bool) {
	cols := len(gamma)
	for r, s := range rstd {
		row, g, d := x[r*cols:(r+1)*cols], dy[r*cols:(r+1)*cols], dx[r*cols:(r+1)*cols]
		m, rest := mean[r], shift[r]
		var sumGX, sumG float64
		for from := 0; from < cols; from += blockVectors * width[T]() {
			var blockGX, blockG rowSum[T]
			for j := from; j < min(from+blockVectors*width[T](), cols); j++ {
				xhat := fma(s, row[j]-m, -rest)
				dgamma[j] = fma(g[j], xhat, dgamma[j])
				dbeta[j] += g[j]
				v, l := T(gamma[j]*g[j]), lane[T](j)
				blockGX.lanes[l] = fma(v, xhat, blockGX.lanes[l])
				blockG.lanes[l] += v
			}
			sumGX, sumG = sumGX+blockGX.sum(), sumG+blockG.sum()
		}
		meanGX := sumGX / float64(cols)
		a, b := T(float64(s)*meanGX), T(math.FMA(-float64(rest), meanGX, sumG/float64(cols)))
		for j, v := range row {
			d[j] = s * fma(-(v-m), a, T(gamma[j]*g[j])-b)
		}
	}
}

func rmsNorm[T Float](y, x, gamma, rstd []T, eps float64, _ bool) {
	cols := len(gamma)
	for r := range rstd {
		row, out := x[r*cols:(r+1)*cols], y[r*cols:(r+1)*cols]
		s := T(1 / math.Sqrt(rowSquares(row)/float64(cols)+eps))
		rstd[r] = s
		for j, v := range row {
			out[j] = gamma[j] * (s * v)
		}
	}
}

// rowSquares returns Σx².
func rowSquares[T Float](row []T) (sum float64) {
	for block := range slices.Chunk(row, blockVectors*width[T]()) {
		var s rowSum[T]
		for j, v := range block {
			l := lane[T](j)
			s.lanes[l] = fma(v, v, s.lanes[l])
			if folds[T](j, len(block)) {
				s.fold()
			}
		}
		sum += s.sum()
	}
	return sum
}

func rmsNormBackward[T Float](dx, x, dy, gamma, rstd, dgamma []T, _ bool) {
	cols := len(gamma)
	for r, s := range rstd {
		row, g, d := x[r*cols:(r+1)*cols], dy[r*cols:(r+1)*cols], dx[r*cols:(r+1)*cols]
		var sumGX float64
		for from := 0; from < cols; from += blockVectors * width[T]() {
			var block rowSum[T]
			for j := from; j < min(from+blockVectors*width[T](), cols); j++ {
				xhat, l := s*row[j], lane[T](j)
				dgamma[j] = fma(g[j], xhat, dgamma[j])
				block.lanes[l] = fma(gamma[j]*g[j], xhat, block.lanes[l])
			}
			sumGX += block.sum()
		}
		a := T(float64(s) * (sumGX / float64(cols)))
		for j, v := range row {
			d[j] = s * fma(-v, a, gamma[j]*g[j])
		}
	}
}

func layerNormOfSum[T Float](y, x, a, b, gamma, beta, mean, shift, rstd []T, eps float64, stream bool) {
	add(x, a, b)
	layerNorm(y, x, gamma, beta, mean, shift, rstd, eps, stream)
}

func rmsNormOfSum[T Float](y, x, a, b, gamma, rstd []T, eps float64, stream bool) {
	add(x, a, b)
	rmsNorm(y, x, gamma, rstd, eps, stream)
}

func layerNormBackwardPlus[T Float](dx, x, dy, d, gamma, mean, shift, rstd, dgamma, dbeta []T, stream bool) {
	layerNormBackward(dx, x, dy, gamma, mean, shift, rstd, dgamma, dbeta, stream)
	add(dx, dx, d)
}

func rmsNormBackwardPlus[T Float](dx, x, dy, d, gamma, rstd, dgamma []T, stream bool) {
	rmsNormBackward(dx, x, dy, gamma, rstd, dgamma, stream)
	add(dx, dx, d)
}

// eachGroup calls run for most rows at a time while as many are left, and then for one at a time. Sums
// over the rows of a group are taken first and then added to the sums so far.
func eachGroup(rows, most int, run func(from, to int)) {
	from := 0
	for ; from+most <= rows; from += most {
		run(from, from+most)
	}
	for ; from < rows; from++ {
		run(from, from+1)
	}
}

func columnSums[T Float](sum, squares, pilot, x []T, rows, stride int) {
	eachGroup(rows, 8, func(from, to int) {
		for j := range sum {
			var s, q T
			for r := from; r < to; r++ {
				d := x[r*stride+j] - pilot[j]
				s += d
				q = fma(d, d, q)
			}
			sum[j] += s
			squares[j] += q
		}
	})
}

func columnNorm[T Float](y, x, mean, scale, offset []T, rows, stride int, _ bool) {
	for r := range rows {
		out := y[r*stride:][:len(mean)]
		for j, v := range x[r*stride:][:len(mean)] {
			out[j] = fma(scale[j], v-mean[j], offset[j])
		}
	}
}

func columnGradientSums[T Float](dgamma, dbeta, mean, rstd, x, dy []T, rows, stride int) {
	eachGroup(rows, 4, func(from, to int) {
		for j := range dgamma {
			var dg, db T
			for r := from; r < to; r++ {
				g := dy[r*stride+j]
				dg = fma(g, rstd[j]*(x[r*stride+j]-mean[j]), dg)
				db += g
			}
			dgamma[j] += dg
			dbeta[j] += db
		}
	})
}

func columnNormBackward[T Float](dx, x, dy, mean, rstd, scale, offset, slope []T, rows, stride int, _ bool) {
	for r := range rows {
		g, d := dy[r*stride:][:len(mean)], dx[r*stride:][:len(mean)]
		for j, v := range x[r*stride:][:len(mean)] {
			d[j] = fma(-(rstd[j] * (v - mean[j])), slope[j], fma(scale[j], g[j], -offset[j]))
		}
	}
}

func accumulate[T Float](sum []float64, x []T) {
	for i, v := range x {
		sum[i] += float64(v)
	}
}
