// Package blas is gonum's BLAS with faster matrix products. They use the vector
// instructions of the machine and up to GOMAXPROCS threads, without cgo:
//
//	gorgonia.Use(blas.Implementation{})   // for every Gorgonia program
//	blas32.Use(blas.Implementation{})     // and every gonum program, in float32
//	blas64.Use(blas.Implementation{})     // and in float64
//
// A product has the same bits on any number of threads.
package blas

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"

	"gorgonorm/internal/cpu"
)

// Implementation is gonum's, except for Sgemm and Dgemm. These panic with gonum's
// messages, before they write anything, if BLAS does not allow their arguments.
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
func (Implementation) Sgemm(
	tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int,
	b []float32, ldb int, beta float32, c []float32, ldc int,
) {
	check(tA, tB, m, n, k, len(a), lda, len(b), ldb, len(c), ldc)
	cpu.Gemm(tA != blas.NoTrans, tB != blas.NoTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// Dgemm is Sgemm in float64.
func (Implementation) Dgemm(
	tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int,
	b []float64, ldb int, beta float64, c []float64, ldc int,
) {
	check(tA, tB, m, n, k, len(a), lda, len(b), ldb, len(c), ldc)
	cpu.Gemm(tA != blas.NoTrans, tB != blas.NoTrans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

// check panics if BLAS does not allow the arguments of a product. a, b and c are the lengths
// of its slices. The tests, their order and their messages are gonum's, but no leading
// dimension makes them overflow.
func check(tA, tB blas.Transpose, m, n, k, a, lda, b, ldb, c, ldc int) {
	rowsA, colsA := stored(tA, m, k)
	rowsB, colsB := stored(tB, k, n)
	switch {
	case m < 0:
		panic("blas: m < 0")
	case n < 0:
		panic("blas: n < 0")
	case k < 0:
		panic("blas: k < 0")
	case lda < max(1, colsA):
		panic("blas: bad leading dimension of A")
	case ldb < max(1, colsB):
		panic("blas: bad leading dimension of B")
	case ldc < max(1, n):
		panic("blas: bad leading dimension of C")
	case m == 0 || n == 0:
	case !holds(a, rowsA, colsA, lda):
		panic("blas: insufficient length of a")
	case !holds(b, rowsB, colsB, ldb):
		panic("blas: insufficient length of b")
	case !holds(c, m, n, ldc):
		panic("blas: insufficient length of c")
	}
}

// stored returns the shape in which an operand of the given shape is stored.
func stored(t blas.Transpose, rows, cols int) (int, int) {
	switch t {
	case blas.NoTrans:
		return rows, cols
	case blas.Trans, blas.ConjTrans:
		return cols, rows
	}
	panic("blas: illegal transpose")
}

// holds reports whether length ≥ (rows−1)·ld + cols, or rows is 0. It divides because the
// product may overflow an int.
func holds(length, rows, cols, ld int) bool {
	return rows == 0 || length >= cols && (length-cols)/ld >= rows-1
}
