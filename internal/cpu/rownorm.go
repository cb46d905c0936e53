package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
)

// rowNorm is a pass of LayerNorm or RMSNorm under way, some rows a chunk.
type rowNorm[T Float] struct {
	rows, cols        int
	eps               float64
	centred           bool // LayerNorm
	stream            bool
	y, x, gamma, beta []T
	mean, shift, rstd []T
	dx, dy            []T
	ones, zeros       []T          // what a missing γ and β stand for
	sums              blockSums[T] // dγ and dβ
}

type (
	rowNormForward[T Float]  rowNorm[T]
	rowNormBackward[T Float] rowNorm[T]
)

// LayerNorm normalizes each row over its features (Ba et al. 2016):
//
//	mean = Σx/cols    rstd = 1/√(Σ(x−mean)²/cols + eps)
//	x̂ = (x−mean)·rstd    y = γ·x̂ + β
//
// The rows' statistics are kept for LayerNormBackward: rstd, the mean rounded to T,
// and in shift what the rounding took from x̂, so that x̂ = (x−mean)·rstd − shift
// is right however large the mean.
func LayerNorm[T Float](y, x, gamma, beta, mean, shift, rstd []T, rows, cols int, eps float64) {
	n := newRowNorm(x, gamma, rows, cols)
	n.centred, n.eps, n.y, n.beta = true, eps, y, beta
	n.mean, n.shift, n.rstd = mean, shift, rstd
	n.forward()
}

// LayerNormBackward gives LayerNorm's three gradients in one pass. With
// g = dy·γ, a row at a time:
//
//	dx = rstd·(g − Σg/cols − x̂·Σ(g·x̂)/cols)    dγ = Σ_rows dy·x̂    dβ = Σ_rows dy
//
// A nil dgamma or dbeta is left out.
func LayerNormBackward[T Float](dx, dgamma, dbeta, x, gamma, mean, shift, rstd, dy []T, rows, cols int) {
	n := newRowNorm(x, gamma, rows, cols)
	n.centred, n.dx, n.dy = true, dx, dy
	n.mean, n.shift, n.rstd = mean, shift, rstd
	n.backward(dgamma, dbeta)
}

// RMSNorm scales each row to a root mean square of one (Zhang & Sennrich 2019):
//
//	rstd = 1/√(Σx²/cols + eps)    y = γ·x·rstd
func RMSNorm[T Float](y, x, gamma, rstd []T, rows, cols int, eps float64) {
	n := newRowNorm(x, gamma, rows, cols)
	n.centred, n.eps, n.y, n.rstd = false, eps, y, rstd
	n.forward()
}

// RMSNormBackward gives RMSNorm's gradients. With g = dy·γ and x̂ = x·rstd:
//
//	dx = rstd·(g − x̂·Σ(g·x̂)/cols)    dγ = Σ_rows dy·x̂
func RMSNormBackward[T Float](dx, dgamma, x, gamma, rstd, dy []T, rows, cols int) {
	n := newRowNorm(x, gamma, rows, cols)
	n.centred, n.dx, n.dy, n.rstd = false, dx, dy, rstd
	n.backward(dgamma, nil)
}

func newRowNorm[T Float](x, gamma []T, rows, cols int) *rowNorm[T] {
	n := borrow[rowNorm[T]]()
	n.x, n.gamma, n.rows, n.cols = x, gamma, rows, cols
	if gamma == nil {
		n.ones = constant(n.ones, cols, 1)
		n.gamma = n.ones
	}
	return n
}

// release forgets the caller's memory and keeps the scratch.
func (n *rowNorm[T]) release() {
	*n = rowNorm[T]{ones: n.ones, zeros: n.zeros, sums: n.sums}
	giveBack(n)
}

func constant[T Float](s []T, n int, v T) []T {
	s = Grow(s, n)
	for i := range s {
		s[i] = v
	}
	return s
}

func (n *rowNorm[T]) forward() {
	if n.beta == nil {
		n.zeros = constant(n.zeros, n.cols, 0)
		n.beta = n.zeros
	}
	n.stream = streams(n.y, n.cols)
	parallel((*rowNormForward[T])(n), rowChunks(n.rows, n.cols))
	n.release()
}

func (n *rowNorm[T]) backward(dgamma, dbeta []T) {
	chunks := rowChunks(n.rows, n.cols)
	n.sums.resize(chunks, 2*n.cols)
	n.stream = streams(n.dx, n.cols)
	parallel((*rowNormBackward[T])(n), chunks)
	n.sums.add()
	store(dgamma, n.sums.total[:n.cols])
	store(dbeta, n.sums.total[n.cols:])
	n.release()
}

// part is the rows from r to end, as a kernel takes them.
func (n *rowNorm[T]) part(r, end int) rowNorm[T] {
	p := *n
	i, j := r*n.cols, end*n.cols
	p.x, p.rstd = n.x[i:j], n.rstd[r:end]
	if n.centred {
		p.mean, p.shift = n.mean[r:end], n.shift[r:end]
	}
	if n.y != nil {
		p.y = n.y[i:j]
	} else {
		p.dx, p.dy = n.dx[i:j], n.dy[i:j]
	}
	return p
}

func (f *rowNormForward[T]) run(chunk int) {
	n := (*rowNorm[T])(f)
	from, to := rowsOf(chunk, n.rows, n.cols)
	n.normalize(simd.Of[T](), from, to)
	for r := from; r < to; r++ {
		// Squares in T have overflowed, or vanished, where rstd is out of this range.
		const large = 1e15
		if s := n.rstd[r]; !(s > 0 && s < large) {
			n.careful(r)
		}
	}
}

// careful normalizes a row with squares in float64 and, where they overflow that, of
// the row times 2^-600, which is exact but for what is nothing beside the others.
func (n *rowNorm[T]) careful(r int) {
	n.normalize(simd.Pure[T](), r, r+1)
	row := n.x[r*n.cols : (r+1)*n.cols]
	if n.rstd[r] > 0 || !(float64(MaxAbs(row)) <= math.MaxFloat64) {
		return
	}
	up, down := math.Ldexp(1, 600), math.Ldexp(1, -600)
	scaled := *n
	scaled.eps *= down * down
	simd.Pure[T]().Scale(n.y[r*n.cols:(r+1)*n.cols], row, T(down))
	scaled.x = n.y
	scaled.normalize(simd.Pure[T](), r, r+1)
	n.rstd[r] *= T(down)
	if n.centred {
		n.mean[r] *= T(up)
	}
}

func (n *rowNorm[T]) normalize(k *simd.Kernels[T], from, to int) {
	p := n.part(from, to)
	if n.centred {
		k.LayerNorm(p.y, p.x, p.gamma, p.beta, p.mean, p.shift, p.rstd, p.eps, p.stream)
	} else {
		k.RMSNorm(p.y, p.x, p.gamma, p.rstd, p.eps, p.stream)
	}
}

func (b *rowNormBackward[T]) run(chunk int) {
	n := (*rowNorm[T])(b)
	from, to := rowsOf(chunk, n.rows, n.cols)
	n.sums.run(chunk, from, to, func(sums []T, from, to int) {
		p := n.part(from, to)
		dgamma, dbeta := sums[:n.cols], sums[n.cols:]
		if n.centred {
			simd.Of[T]().LayerNormBackward(p.dx, p.x, p.dy, p.gamma, p.mean, p.shift, p.rstd, dgamma, dbeta, p.stream)
		} else {
			simd.Of[T]().RMSNormBackward(p.dx, p.x, p.dy, p.gamma, p.rstd, dgamma, p.stream)
		}
	})
}
