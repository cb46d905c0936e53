package cpu

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// Gemm computes C = alpha·op(A)·op(B) + beta·C for row-major matrices, where
// op(A) is m×k, op(B) is k×n and C is m×n; transA and transB say that the
// slice holds the transpose. lda, ldb and ldc are the distances between rows.
func Gemm[T Float](transA, transB bool, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int) {
	ta, tb := transpose(transA), transpose(transB)
	switch c := any(c).(type) {
	case []float32:
		gonum.Implementation{}.Sgemm(ta, tb, m, n, k, float32(alpha), any(a).([]float32), lda, any(b).([]float32), ldb, float32(beta), c, ldc)
	case []float64:
		gonum.Implementation{}.Dgemm(ta, tb, m, n, k, float64(alpha), any(a).([]float64), lda, any(b).([]float64), ldb, float64(beta), c, ldc)
	}
}

func transpose(t bool) blas.Transpose {
	if t {
		return blas.Trans
	}
	return blas.NoTrans
}

// AddRow adds the same row to each of the rows of y.
func AddRow[T Float](y, row []T, rows, cols int) {
	for r := range rows {
		out := y[r*cols : (r+1)*cols]
		for j, b := range row {
			out[j] += b
		}
	}
}

// SumRows adds up the rows of x. acc is scratch of cols.
func SumRows[T Float](sum, x []T, acc []float64, rows, cols int) {
	clear(acc)
	for r := range rows {
		for j, v := range x[r*cols : (r+1)*cols] {
			acc[j] += float64(v)
		}
	}
	store(sum, acc)
}
