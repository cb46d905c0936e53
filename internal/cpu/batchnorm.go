package cpu

import "math"

// ColumnMoments gives each column's mean and mean squared deviation from it,
// in two passes over the rows.
func ColumnMoments[T Float](mean, variance []float64, x []T, rows, cols int) {
	clear(mean)
	for r := range rows {
		for j, v := range x[r*cols : (r+1)*cols] {
			mean[j] += float64(v)
		}
	}
	for j := range mean {
		mean[j] /= float64(rows)
	}
	clear(variance)
	for r := range rows {
		for j, v := range x[r*cols : (r+1)*cols] {
			d := float64(v) - mean[j]
			variance[j] += d * d
		}
	}
	for j := range variance {
		variance[j] /= float64(rows)
	}
}

// Rstd turns variances into 1/√(variance + eps).
func Rstd[T Float](rstd []T, variance []float64, eps float64) {
	for j, v := range variance {
		rstd[j] = T(1 / math.Sqrt(v+eps))
	}
}

// ColumnNorm applies given statistics, one a column (Ioffe & Szegedy 2015):
//
//	x̂ = (x−mean)·rstd    y = γ·x̂ + β
func ColumnNorm[T Float](y, x, gamma, beta, mean, rstd []T, rows, cols int) {
	for r := range rows {
		out := y[r*cols : (r+1)*cols]
		for j, v := range x[r*cols : (r+1)*cols] {
			v = (v - mean[j]) * rstd[j]
			if gamma != nil {
				v *= gamma[j]
			}
			if beta != nil {
				v += beta[j]
			}
			out[j] = v
		}
	}
}

// ColumnNormBackward gives ColumnNorm's gradients:
//
//	dγ = Σ_rows dy·x̂    dβ = Σ_rows dy
//	dx = γ·rstd·(dy − dβ/rows − x̂·dγ/rows)   where the statistics are the batch's own
//	dx = γ·rstd·dy                           where they are given (evaluation)
//
// A nil dgamma or dbeta is left out. acc is scratch of 2·cols.
func ColumnNormBackward[T Float](dx, dgamma, dbeta, x, gamma, mean, rstd, dy []T, acc []float64, rows, cols int, ownStatistics bool) {
	sumX, sum1 := acc[:cols], acc[cols:2*cols]
	clear(acc)
	for r := range rows {
		g := dy[r*cols : (r+1)*cols]
		for j, v := range x[r*cols : (r+1)*cols] {
			sumX[j] += float64(g[j] * ((v - mean[j]) * rstd[j]))
			sum1[j] += float64(g[j])
		}
	}
	store(dgamma, sumX)
	store(dbeta, sum1)
	n := float64(rows)
	for r := range rows {
		g, d := dy[r*cols:(r+1)*cols], dx[r*cols:(r+1)*cols]
		for j, v := range x[r*cols : (r+1)*cols] {
			s := g[j]
			if ownStatistics {
				s -= T(sum1[j]/n) + (v-mean[j])*rstd[j]*T(sumX[j]/n)
			}
			s *= rstd[j]
			if gamma != nil {
				s *= gamma[j]
			}
			d[j] = s
		}
	}
}
