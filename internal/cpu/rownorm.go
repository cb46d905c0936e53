package cpu

import "math"

// LayerNorm normalizes each row over its features (Ba et al. 2016):
//
//	mean = Σx/cols    rstd = 1/√(Σ(x−mean)²/cols + eps)
//	x̂ = (x−mean)·rstd    y = γ·x̂ + β
//
// The rows' mean and rstd are kept for LayerNormBackward.
func LayerNorm[T Float](y, x, gamma, beta, mean, rstd []T, rows, cols int, eps float64) {
	for r := range rows {
		row, out := x[r*cols:(r+1)*cols], y[r*cols:(r+1)*cols]
		m := sum(row) / float64(cols)
		s := 1 / math.Sqrt(centredSquares(row, m)/float64(cols)+eps)
		mean[r], rstd[r] = T(m), T(s)
		normalize(out, row, gamma, beta, T(m), T(s))
	}
}

// LayerNormBackward gives LayerNorm's three gradients in one pass. With
// g = dy·γ, a row at a time:
//
//	dx = rstd·(g − Σg/cols − x̂·Σ(g·x̂)/cols)    dγ = Σ_rows dy·x̂    dβ = Σ_rows dy
//
// A nil dgamma or dbeta is left out. acc is scratch of 2·cols.
func LayerNormBackward[T Float](dx, dgamma, dbeta, x, gamma, mean, rstd, dy []T, acc []float64, rows, cols int) {
	clear(acc)
	for r := range rows {
		row, g := x[r*cols:(r+1)*cols], dy[r*cols:(r+1)*cols]
		rowBackward(dx[r*cols:(r+1)*cols], row, g, gamma, acc, mean[r], rstd[r], true)
	}
	store(dgamma, acc[:cols])
	store(dbeta, acc[cols:])
}

// RMSNorm scales each row to a root mean square of one (Zhang & Sennrich 2019):
//
//	rstd = 1/√(Σx²/cols + eps)    y = γ·x·rstd
func RMSNorm[T Float](y, x, gamma, rstd []T, rows, cols int, eps float64) {
	for r := range rows {
		row, out := x[r*cols:(r+1)*cols], y[r*cols:(r+1)*cols]
		s := 1 / math.Sqrt(centredSquares(row, 0)/float64(cols)+eps)
		rstd[r] = T(s)
		normalize(out, row, gamma, nil, 0, T(s))
	}
}

// RMSNormBackward gives RMSNorm's gradients. With g = dy·γ and x̂ = x·rstd:
//
//	dx = rstd·(g − x̂·Σ(g·x̂)/cols)    dγ = Σ_rows dy·x̂
//
// acc is scratch of 2·cols.
func RMSNormBackward[T Float](dx, dgamma, x, gamma, rstd, dy []T, acc []float64, rows, cols int) {
	clear(acc)
	for r := range rows {
		row, g := x[r*cols:(r+1)*cols], dy[r*cols:(r+1)*cols]
		rowBackward(dx[r*cols:(r+1)*cols], row, g, gamma, acc, 0, rstd[r], false)
	}
	store(dgamma, acc[:cols])
}

// rowBackward gives one row's dx and adds its dγ and dβ to acc. A centred norm
// (LayerNorm) also takes the mean of g away.
func rowBackward[T Float](dx, x, dy, gamma []T, acc []float64, mean, rstd T, centred bool) {
	cols := len(x)
	dgamma, dbeta := acc[:cols], acc[cols:2*cols]
	var sumG, sumGX float64
	for j, v := range x {
		xhat, d := (v-mean)*rstd, dy[j]
		dgamma[j] += float64(d * xhat)
		dbeta[j] += float64(d)
		if gamma != nil {
			d *= gamma[j]
		}
		sumG += float64(d)
		sumGX += float64(d) * float64(xhat)
	}
	if !centred {
		sumG = 0
	}
	meanG, meanGX := T(sumG/float64(cols)), T(sumGX/float64(cols))
	for j, v := range x {
		xhat, d := (v-mean)*rstd, dy[j]
		if gamma != nil {
			d *= gamma[j]
		}
		dx[j] = rstd * (d - meanG - xhat*meanGX)
	}
}

// normalize writes γ·(x−mean)·rstd + β for one row.
func normalize[T Float](y, x, gamma, beta []T, mean, rstd T) {
	for j, v := range x {
		y[j] = (v - mean) * rstd
	}
	for j, g := range gamma {
		y[j] *= g
	}
	for j, b := range beta {
		y[j] += b
	}
}

func sum[T Float](x []T) (s float64) {
	for _, v := range x {
		s += float64(v)
	}
	return s
}

func centredSquares[T Float](x []T, mean float64) (s float64) {
	for _, v := range x {
		d := float64(v) - mean
		s += d * d
	}
	return s
}

// store converts the sums in acc to dst's element type; a nil dst takes none.
func store[T Float](dst []T, acc []float64) {
	for j := range dst {
		dst[j] = T(acc[j])
	}
}
