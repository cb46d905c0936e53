package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
)

// partialNorm is a pass of PartialRMSNorm under way, some rows a chunk.
type partialNorm[T Float] struct {
	rows, cols, part  int
	eps               float64
	y, x, gamma, rstd []T
	dx, dy            []T
	ones, zeros       []T
	sums              blockSums[T] // dγ
}

type (
	partialNormForward[T Float]  partialNorm[T]
	partialNormBackward[T Float] partialNorm[T]
)

// PartialRMSNorm is RMSNorm with the root mean square of the first part features
// of each row (pRMSNorm, Zhang & Sennrich 2019):
//
//	rstd = 1/√(Σ_{j<part} x²/part + eps)    y = γ·x·rstd
func PartialRMSNorm[T Float](y, x, gamma, rstd []T, rows, cols, part int, eps float64) {
	n := newPartialNorm(x, gamma, rstd, rows, cols, part)
	n.y, n.eps = y, eps
	parallel((*partialNormForward[T])(n), rowChunks(rows, cols))
	n.release()
}

// PartialRMSNormBackward gives its gradients. With g = dy·γ and x̂ = x·rstd:
//
//	dx = rstd·(g − [j < part]·x̂·Σ(g·x̂)/part)    dγ = Σ_rows dy·x̂
//
// A nil dgamma is left out.
func PartialRMSNormBackward[T Float](dx, dgamma, x, gamma, rstd, dy []T, rows, cols, part int) {
	n := newPartialNorm(x, gamma, rstd, rows, cols, part)
	n.dx, n.dy = dx, dy
	chunks := rowChunks(rows, cols)
	n.sums.resize(chunks, cols)
	parallel((*partialNormBackward[T])(n), chunks)
	n.sums.add()
	store(dgamma, n.sums.total)
	n.release()
}

func newPartialNorm[T Float](x, gamma, rstd []T, rows, cols, part int) *partialNorm[T] {
	n := borrow[partialNorm[T]]()
	n.x, n.gamma, n.rstd, n.rows, n.cols, n.part = x, gamma, rstd, rows, cols, part
	n.zeros = constant(n.zeros, cols, 0)
	if gamma == nil {
		n.ones = constant(n.ones, cols, 1)
		n.gamma = n.ones
	}
	return n
}

func (n *partialNorm[T]) release() {
	*n = partialNorm[T]{ones: n.ones, zeros: n.zeros, sums: n.sums}
	giveBack(n)
}

func (f *partialNormForward[T]) run(chunk int) {
	n := (*partialNorm[T])(f)
	k := simd.Of[T]()
	from, to := rowsOf(chunk, n.rows, n.cols)
	for r := from; r < to; r++ {
		row := n.x[r*n.cols : (r+1)*n.cols]
		n.rstd[r] = T(1 / math.Sqrt(k.SumSquares(row[:n.part])/float64(n.part)+n.eps))
		k.Scale(n.y[r*n.cols:(r+1)*n.cols], row, n.rstd[r])
	}
	at := n.y[from*n.cols:]
	k.ColumnNorm(at, at, n.zeros, n.gamma, n.zeros, to-from, n.cols, false)
}

func (b *partialNormBackward[T]) run(chunk int) {
	n := (*partialNorm[T])(b)
	from, to := rowsOf(chunk, n.rows, n.cols)
	n.sums.run(chunk, from, to, func(dgamma []T, from, to int) {
		for r := from; r < to; r++ {
			i, j := r*n.cols, (r+1)*n.cols
			n.row(n.dx[i:j], dgamma, n.x[i:j], n.dy[i:j], n.rstd[r])
		}
	})
}

// row is the backward pass of one row.
func (n *partialNorm[T]) row(dx, dgamma, x, dy []T, rstd T) {
	var sum float64
	for j, v := range x {
		xhat, g := v*rstd, dy[j]*n.gamma[j]
		dgamma[j] += dy[j] * xhat
		dx[j] = rstd * g
		sum += float64(g) * float64(xhat)
	}
	mean := T(sum/float64(n.part)) * rstd
	for j, v := range x[:n.part] {
		dx[j] -= v * rstd * mean
	}
}
