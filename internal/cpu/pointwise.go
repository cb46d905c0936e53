package cpu

import "gorgonorm/internal/cpu/simd"

// Pointwise is DyT or Derf on rows of some features. It keeps none of the caller's slices.
type Pointwise[T Float] struct {
	cols int
	derf bool // else DyT

	erf            []T       // Derf's, for Backward
	ones, zeros    []T       // used for a nil gamma and beta
	dalpha, dshift []float64 // an element a chunk
	pointwiseCall[T]
}

// pointwiseCall holds the arguments of the call in progress.
type pointwiseCall[T Float] struct {
	rows              int
	y, x, gamma, beta []T
	alpha, shift      T
	dx, dy            []T
	sums              *blockSums[T] // dγ and dβ
}

type (
	pointwiseForward[T Float]  Pointwise[T]
	pointwiseBackward[T Float] Pointwise[T]
)

// NewDyT returns dynamic tanh, which replaces a norm (Zhu et al. 2025) and has no shift:
//
//	t = tanh(α·x)    y = γ·t + β
//
// With h = dy·γ·(1 − t²), the gradients are
//
//	dx = h·α    dγ = Σ_rows dy·t    dβ = Σ_rows dy    dα = Σh·x
//
// Backward computes t again: it reads x anyway, and one exp yields t and all digits of
// 1 − t².
func NewDyT[T Float](cols int) *Pointwise[T] { return &Pointwise[T]{cols: cols} }

// NewDerf returns dynamic erf (Chen et al. 2025):
//
//	u = α·x + shift    y = γ·erf(u) + β
//
// With h = dy·γ·2/√π·exp(−u²), the gradients are
//
//	dx = h·α    dγ = Σ_rows dy·erf(u)    dβ = Σ_rows dy    dα = Σh·x    dshift = Σh
//
// Forward keeps erf(u) for Backward, which computes an exp alone.
func NewDerf[T Float](cols int) *Pointwise[T] { return &Pointwise[T]{cols: cols, derf: true} }

// Forward writes y.
func (p *Pointwise[T]) Forward(y, x, gamma, beta []T, alpha, shift T) {
	if p.derf {
		p.erf = Grow(p.erf, len(x))
	}
	rows := len(x) / p.cols
	gamma, beta = orConstant(gamma, &p.ones, p.cols, 1), orConstant(beta, &p.zeros, p.cols, 0)
	p.pointwiseCall = pointwiseCall[T]{rows: rows, y: y, x: x, gamma: gamma, beta: beta, alpha: alpha, shift: shift}
	parallel((*pointwiseForward[T])(p), rowChunks(rows, p.cols))
	p.pointwiseCall = pointwiseCall[T]{}
}

// Backward writes the gradients dx and, unless they are nil, dgamma and dbeta, and returns
// the scalars', after Forward of the same x, alpha and shift. DyT's dshift is 0.
func (p *Pointwise[T]) Backward(dx, dgamma, dbeta, x, gamma, dy []T, alpha, shift T) (dalpha, dshift float64) {
	rows := len(x) / p.cols
	chunks := rowChunks(rows, p.cols)
	sums := borrowSums[T](chunks, 2*p.cols)
	gamma = orConstant(gamma, &p.ones, p.cols, 1)
	p.dalpha, p.dshift = Grow(p.dalpha, chunks), Grow(p.dshift, chunks)
	p.pointwiseCall = pointwiseCall[T]{
		rows: rows, x: x, gamma: gamma, alpha: alpha, shift: shift, dx: dx, dy: dy, sums: sums,
	}
	parallel((*pointwiseBackward[T])(p), chunks)
	p.pointwiseCall = pointwiseCall[T]{}
	total := sums.add()
	store(dgamma, total[:p.cols])
	store(dbeta, total[p.cols:])
	giveBack(sums)
	for c := range chunks {
		dalpha += p.dalpha[c]
		dshift += p.dshift[c]
	}
	return dalpha, dshift
}

func (f *pointwiseForward[T]) run(chunk int) {
	p := (*Pointwise[T])(f)
	from, to := rowsOf(chunk, p.rows, p.cols)
	i, j := from*p.cols, to*p.cols
	if p.derf {
		simd.Of[T]().Derf(p.y[i:j], p.erf[i:j], p.x[i:j], p.gamma, p.beta, p.alpha, p.shift, to-from)
	} else {
		simd.Of[T]().DyT(p.y[i:j], p.x[i:j], p.gamma, p.beta, p.alpha, to-from)
	}
}

func (b *pointwiseBackward[T]) run(chunk int) {
	p := (*Pointwise[T])(b)
	from, to := rowsOf(chunk, p.rows, p.cols)
	var dalpha, dshift float64
	p.sums.run(chunk, from, to, func(sums []T, from, to int) {
		i, j := from*p.cols, to*p.cols
		dx, x, dy := p.dx[i:j], p.x[i:j], p.dy[i:j]
		dgamma, dbeta := sums[:p.cols], sums[p.cols:]
		var da, ds float64
		if k := simd.Of[T](); p.derf {
			da, ds = k.DerfBackward(dx, x, p.erf[i:j], dy, p.gamma, dgamma, dbeta, p.alpha, p.shift, to-from)
		} else {
			da = k.DyTBackward(dx, x, dy, p.gamma, dgamma, dbeta, p.alpha, to-from)
		}
		dalpha += da
		dshift += ds
	})
	p.dalpha[chunk], p.dshift[chunk] = dalpha, dshift
}
