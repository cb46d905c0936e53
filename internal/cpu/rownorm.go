package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
)

// RowNorm is LayerNorm or RMSNorm of rows of some features. It keeps the statistics of the
// rows of the last Forward, which the other methods use on the same x, and none of the
// caller's slices. With RMSNorm, which has no β, beta and dbeta are nil.
type RowNorm[T Float] struct {
	cols    int
	part    int // RMSNorm's root mean square is of the first so many features
	eps     float64
	centred bool // LayerNorm

	mean, shift, rstd []T // an element a row; RMSNorm has rstd alone
	ones, zeros       []T // used for a nil gamma and beta
	next              around[T]
	rowNormCall[T]
}

// rowNormCall holds the arguments of the call in progress.
type rowNormCall[T Float] struct {
	rows              int
	y, x, gamma, beta []T
	dx, dy            []T
	around[T]
	u, ddy []T           // of Second
	sums   *blockSums[T] // dγ and dβ
	stream bool
}

// around holds the operands of what a pass does beside the norm.
type around[T Float] struct {
	a, b []T // x is a + b, which Forward writes to it
	d    []T // is added to dx
}

type (
	rowNormForward[T Float]  RowNorm[T]
	rowNormBackward[T Float] RowNorm[T]
)

// NewLayerNorm returns a RowNorm that normalizes each row over its features (Ba et al.
// 2016):
//
//	mean = Σx/cols    rstd = 1/√(Σ(x−mean)²/cols + eps)
//	x̂ = (x−mean)·rstd    y = γ·x̂ + β
//
// It keeps rstd, the mean rounded to T, and in shift the effect of this rounding on x̂, so
// that x̂ = (x−mean)·rstd − shift is right however large the mean is. With g = dy·γ, the
// gradients are
//
//	dx = rstd·(g − Σg/cols − x̂·Σ(g·x̂)/cols)    dγ = Σ_rows dy·x̂    dβ = Σ_rows dy
func NewLayerNorm[T Float](cols int, eps float64) *RowNorm[T] {
	return &RowNorm[T]{cols: cols, part: cols, eps: eps, centred: true}
}

// NewRMSNorm returns a RowNorm that scales each row by the root mean square of its first
// part features (RMSNorm or, if part is less than cols, pRMSNorm; Zhang & Sennrich 2019):
//
//	rstd = 1/√(Σ_{j<part} x²/part + eps)    x̂ = x·rstd    y = γ·x̂
//
// With g = dy·γ, the gradients are
//
//	dx = rstd·(g − [j < part]·x̂·Σ(g·x̂)/part)    dγ = Σ_rows dy·x̂
func NewRMSNorm[T Float](cols, part int, eps float64) *RowNorm[T] {
	return &RowNorm[T]{cols: cols, part: part, eps: eps}
}

// OfSum makes the next Forward write a + b to its x first.
func (n *RowNorm[T]) OfSum(a, b []T) { n.next.a, n.next.b = a, b }

// PlusGradient makes the next Backward add d to dx.
func (n *RowNorm[T]) PlusGradient(d []T) { n.next.d = d }

// Forward writes y.
func (n *RowNorm[T]) Forward(y, x, gamma, beta []T) {
	rows := len(x) / n.cols
	n.rstd = Grow(n.rstd, rows)
	if n.centred {
		n.mean, n.shift = Grow(n.mean, rows), Grow(n.shift, rows)
	}
	gamma, beta = orConstant(gamma, &n.ones, n.cols, 1), orConstant(beta, &n.zeros, n.cols, 0)
	n.rowNormCall = rowNormCall[T]{
		rows: rows, y: y, x: x, gamma: gamma, beta: beta, around: n.next, stream: streams(y, n.cols),
	}
	parallel((*rowNormForward[T])(n), rowChunks(rows, n.cols))
	n.rowNormCall, n.next = rowNormCall[T]{}, around[T]{}
}

// Backward writes the gradients dx and, unless they are nil, dgamma and dbeta.
func (n *RowNorm[T]) Backward(dx, dgamma, dbeta, x, gamma, dy []T) {
	rows, width := len(x)/n.cols, n.cols
	if n.centred {
		width *= 2
	}
	gamma = orConstant(gamma, &n.ones, n.cols, 1)
	chunks := rowChunks(rows, n.cols)
	sums := borrowSums[T](chunks, width)
	n.rowNormCall = rowNormCall[T]{
		rows: rows, x: x, gamma: gamma, dx: dx, dy: dy, around: n.next, sums: sums, stream: streams(dx, n.cols),
	}
	parallel((*rowNormBackward[T])(n), chunks)
	n.rowNormCall, n.next = rowNormCall[T]{}, around[T]{}
	total := sums.add()
	store(dgamma, total[:n.cols])
	store(dbeta, total[n.cols:])
	giveBack(sums)
}

func (f *rowNormForward[T]) run(chunk int) {
	n := (*RowNorm[T])(f)
	from, to := rowsOf(chunk, n.rows, n.cols)
	k, i, j := simd.Of[T](), from*n.cols, to*n.cols
	if n.part < n.cols {
		if n.a != nil {
			k.Add(n.x[i:j], n.a[i:j], n.b[i:j])
		}
		n.normalizePartially(from, to)
		return
	}
	if n.a != nil {
		n.normalizeSum(k, from, to)
	} else {
		n.normalize(k, from, to)
	}
	for r := from; r < to; r++ {
		// Squares in T overflow, or vanish, where rstd is out of this range.
		const large = 1e15
		if s := n.rstd[r]; !(s > 0 && s < large) {
			n.careful(r)
		}
	}
}

func (n *RowNorm[T]) normalize(k *simd.Kernels[T], from, to int) {
	i, j := from*n.cols, to*n.cols
	if n.centred {
		k.LayerNorm(n.y[i:j], n.x[i:j], n.gamma, n.beta,
			n.mean[from:to], n.shift[from:to], n.rstd[from:to], n.eps, n.stream)
	} else {
		k.RMSNorm(n.y[i:j], n.x[i:j], n.gamma, n.rstd[from:to], n.eps, n.stream)
	}
}

// normalizeSum is normalize for x = a + b, which it writes.
func (n *RowNorm[T]) normalizeSum(k *simd.Kernels[T], from, to int) {
	i, j := from*n.cols, to*n.cols
	if n.centred {
		k.LayerNormOfSum(n.y[i:j], n.x[i:j], n.a[i:j], n.b[i:j], n.gamma, n.beta,
			n.mean[from:to], n.shift[from:to], n.rstd[from:to], n.eps, n.stream)
	} else {
		k.RMSNormOfSum(n.y[i:j], n.x[i:j], n.a[i:j], n.b[i:j], n.gamma, n.rstd[from:to], n.eps, n.stream)
	}
}

// careful normalizes a row with squares in float64. If they overflow, it normalizes the row
// times 2^-600, which loses only elements too small to matter.
func (n *RowNorm[T]) careful(r int) {
	k := simd.Careful[T]()
	n.normalize(k, r, r+1)
	row := n.x[r*n.cols : (r+1)*n.cols]
	if n.rstd[r] > 0 || !(float64(MaxAbs(row)) <= math.MaxFloat64) {
		return
	}
	up, down := math.Ldexp(1, 600), math.Ldexp(1, -600)
	scaled := *n
	scaled.eps *= down * down
	k.Scale(n.y[r*n.cols:(r+1)*n.cols], row, T(down))
	scaled.x = n.y
	scaled.normalize(k, r, r+1)
	n.rstd[r] *= T(down)
	if n.centred {
		n.mean[r] *= T(up)
	}
}

func (n *RowNorm[T]) normalizePartially(from, to int) {
	k := simd.Of[T]()
	for r := from; r < to; r++ {
		row := n.x[r*n.cols : (r+1)*n.cols]
		n.rstd[r] = T(1 / math.Sqrt(k.SumSquares(row[:n.part])/float64(n.part)+n.eps))
		k.Scale(n.y[r*n.cols:(r+1)*n.cols], row, n.rstd[r])
	}
	y := n.y[from*n.cols:]
	k.ColumnNorm(y, y, n.zeros, n.gamma, n.zeros, to-from, n.cols, false)
}

func (b *rowNormBackward[T]) run(chunk int) {
	n := (*RowNorm[T])(b)
	from, to := rowsOf(chunk, n.rows, n.cols)
	n.sums.run(chunk, from, to, func(sums []T, from, to int) {
		i, j := from*n.cols, to*n.cols
		x, dx, dy, rstd := n.x[i:j], n.dx[i:j], n.dy[i:j], n.rstd[from:to]
		dgamma, dbeta := sums[:n.cols], sums[n.cols:]
		var d []T
		if n.d != nil {
			d = n.d[i:j]
		}
		switch k := simd.Of[T](); {
		case n.part < n.cols:
			for r := range rstd {
				i, j := r*n.cols, (r+1)*n.cols
				n.partialBackward(dx[i:j], dgamma, x[i:j], dy[i:j], rstd[r])
			}
			if d != nil {
				k.Add(dx, dx, d)
			}
		case n.centred && d != nil:
			mean, shift := n.mean[from:to], n.shift[from:to]
			k.LayerNormBackwardPlus(dx, x, dy, d, n.gamma, mean, shift, rstd, dgamma, dbeta, n.stream)
		case n.centred:
			k.LayerNormBackward(dx, x, dy, n.gamma, n.mean[from:to], n.shift[from:to], rstd, dgamma, dbeta, n.stream)
		case d != nil:
			k.RMSNormBackwardPlus(dx, x, dy, d, n.gamma, rstd, dgamma, n.stream)
		default:
			k.RMSNormBackward(dx, x, dy, n.gamma, rstd, dgamma, n.stream)
		}
	})
}

// partialBackward adds to dgamma, for one row.
func (n *RowNorm[T]) partialBackward(dx, dgamma, x, dy []T, rstd T) {
	var sum float64
	for j, v := range x {
		xhat, g := v*rstd, dy[j]*n.gamma[j]
		dgamma[j] += T(dy[j] * xhat)
		dx[j] = rstd * g
		sum += float64(float64(g) * float64(xhat))
	}
	mean := T(sum/float64(n.part)) * rstd
	for j, v := range x[:n.part] {
		dx[j] -= T(v * rstd * mean)
	}
}

// orConstant returns s or, if s is nil, n elements v in scratch.
func orConstant[T Float](s []T, scratch *[]T, n int, v T) []T {
	if s != nil {
		return s
	}
	*scratch = constant(*scratch, n, v)
	return *scratch
}

func constant[T Float](s []T, n int, v T) []T {
	s = Grow(s, n)
	for i := range s {
		s[i] = v
	}
	return s
}
