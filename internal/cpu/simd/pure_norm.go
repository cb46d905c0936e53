package simd

import "math"

// The norms' twins take sums over a row in float64.

func layerNorm[T Float](y, x, gamma, beta, mean, shift, rstd []T, eps float64, _ bool) {
	cols := len(gamma)
	for r := range rstd {
		row, out := x[r*cols:(r+1)*cols], y[r*cols:(r+1)*cols]
		var sum float64
		for _, v := range row {
			sum += float64(v)
		}
		m := T(sum / float64(cols))
		sum, squares := 0.0, 0.0
		for _, v := range row {
			d := float64(v) - float64(m)
			sum += d
			squares += d * d
		}
		delta := sum / float64(cols)
		s := 1 / math.Sqrt(max(0, squares/float64(cols)-delta*delta)+eps)
		mean[r], shift[r], rstd[r] = m, T(delta*s), T(s)
		for j, v := range row {
			xhat := (v-m)*rstd[r] - shift[r]
			out[j] = xhat*gamma[j] + beta[j]
		}
	}
}

func layerNormBackward[T Float](dx, x, dy, gamma, mean, shift, rstd, dgamma, dbeta []T, _ bool) {
	cols := len(gamma)
	for r, s := range rstd {
		row, g, d := x[r*cols:(r+1)*cols], dy[r*cols:(r+1)*cols], dx[r*cols:(r+1)*cols]
		var sumG, sumGX float64
		for j, v := range row {
			xhat := (v-mean[r])*s - shift[r]
			dgamma[j] += g[j] * xhat
			dbeta[j] += g[j]
			v := g[j] * gamma[j]
			sumG += float64(v)
			sumGX += float64(v) * float64(xhat)
		}
		meanG, meanGX := T(sumG/float64(cols)), T(sumGX/float64(cols))
		for j, v := range row {
			xhat := (v-mean[r])*s - shift[r]
			d[j] = s * (g[j]*gamma[j] - meanG - xhat*meanGX)
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
		for j, v := range row {
			dgamma[j] += g[j] * (v * s)
			sumGX += float64(g[j]*gamma[j]) * float64(v*s)
		}
		meanGX := T(sumGX / float64(cols))
		for j, v := range row {
			d[j] = s * (g[j]*gamma[j] - v*s*meanGX)
		}
	}
}

func columnSums[T Float](sum, squares, pilot, x []T, rows, stride int, _ bool) {
	for r := range rows {
		for j, v := range x[r*stride:][:len(sum)] {
			d := v - pilot[j]
			sum[j] += d
			squares[j] += d * d
		}
	}
}

func columnNorm[T Float](y, x, mean, scale, offset []T, rows, stride int, _ bool) {
	for r := range rows {
		out := y[r*stride:][:len(mean)]
		for j, v := range x[r*stride:][:len(mean)] {
			out[j] = (v-mean[j])*scale[j] + offset[j]
		}
	}
}

func columnGradientSums[T Float](dgamma, dbeta, mean, rstd, x, dy []T, rows, stride int, _ bool) {
	for r := range rows {
		g := dy[r*stride:][:len(mean)]
		for j, v := range x[r*stride:][:len(mean)] {
			dgamma[j] += g[j] * ((v - mean[j]) * rstd[j])
			dbeta[j] += g[j]
		}
	}
}

func columnNormBackward[T Float](dx, x, dy, mean, rstd, scale, offset, slope []T, rows, stride int, _ bool) {
	for r := range rows {
		g, d := dy[r*stride:][:len(mean)], dx[r*stride:][:len(mean)]
		for j, v := range x[r*stride:][:len(mean)] {
			d[j] = g[j]*scale[j] - offset[j] - (v-mean[j])*rstd[j]*slope[j]
		}
	}
}

func accumulate[T Float](sum []float64, x []T) {
	for i, v := range x {
		sum[i] += float64(v)
	}
}
