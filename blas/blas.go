// Package blas is gonum's BLAS with matrix products that run at the machine's
// speed, on all of GOMAXPROCS threads, without cgo:
//
//	gorgonia.Use(blas.Implementation{})   // for every Gorgonia program
//	blas32.Use(blas.Implementation{})     // and every gonum program, in float32
//	blas64.Use(blas.Implementation{})     // and in float64
//
// The products of one shape are the same to the last bit on any number of
// threads.
package blas

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"

	"gorgonorm/internal/cpu"
)

// Implementation is gonum's, but for Sgemm and Dgemm. Arguments that BLAS does
// not allow panic as gonum's do.
type Implementation struct {
	gonum.Implementation
}

var _ interface {
	blas.Float32
	blas.Float64
	blas.Complex64
	blas.Complex128
} = Implementation{}

// Sgemm computes C = alpha·op(A)·op(B) + beta·C in float32, where op(A) is m×k,
// op(B) k×n and C m×n.
func (impl Implementation) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if !valid(tA, tB, m, n, k, len(a), lda, len(b), ldb, len(c), ldc) {
		impl.Implementation.Sgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	cpu.Gemm(tA != blas.NoTrans, tB != blas.NoTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Dgemm is Sgemm in float64.
func (impl Implementation) Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	if !valid(tA, tB, m, n, k, len(a), lda, len(b), ldb, len(c), ldc) {
		impl.Implementation.Dgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	cpu.Gemm(tA != blas.NoTrans, tB != blas.NoTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// valid says that a product is well-defined and not empty. gonum's own code has
// the words for all others.
func valid(tA, tB blas.Transpose, m, n, k, a, lda, b, ldb, c, ldc int) bool {
	return fits(tA, m, k, a, lda) && fits(tB, k, n, b, ldb) && fits(blas.NoTrans, m, n, c, ldc)
}

// fits says that a slice of length elements holds a matrix of that many rows and
// cols, or its transpose, with the stored rows ld apart.
func fits(t blas.Transpose, rows, cols, length, ld int) bool {
	switch t {
	case blas.NoTrans:
	case blas.Trans, blas.ConjTrans:
		rows, cols = cols, rows
	default:
		return false
	}
	return rows > 0 && cols > 0 && ld >= cols && length >= (rows-1)*ld+cols
}
