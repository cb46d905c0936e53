package cpu

import "gorgonorm/internal/cpu/simd"

// pointwise is a pass of DyT or Derf under way, some rows a chunk.
type pointwise[T Float] struct {
	rows, cols     int
	derf           bool // else DyT
	alpha, shift   T
	y, x, erf      []T
	gamma, beta    []T
	dx, dy         []T
	ones, zeros    []T          // what a missing γ and β stand for
	sums           blockSums[T] // dγ and dβ
	dalpha, dshift []float64    // of each chunk
}

type (
	pointwiseForward[T Float]  pointwise[T]
	pointwiseBackward[T Float] pointwise[T]
)

// DyT, dynamic tanh, stands in for a norm (Zhu et al. 2025):
//
//	t = tanh(α·x)    y = γ·t + β
//
// It keeps nothing for DyTBackward, which reads x in any case and takes t, and
// 1 − t² with all its digits, from one exp.
func DyT[T Float](y, x, gamma, beta []T, alpha T, rows, cols int) {
	p := newPointwise(x, gamma, rows, cols)
	p.y, p.beta, p.alpha = y, beta, alpha
	p.forward()
}

// DyTBackward gives DyT's gradients in one pass. With h = dy·γ·(1 − t²):
//
//	dx = h·α    dγ = Σ_rows dy·t    dβ = Σ_rows dy    dα = Σh·x
//
// A nil dgamma or dbeta is left out.
func DyTBackward[T Float](dx, dgamma, dbeta, x, gamma, dy []T, alpha T, rows, cols int) (dalpha float64) {
	p := newPointwise(x, gamma, rows, cols)
	p.dx, p.dy, p.alpha = dx, dy, alpha
	dalpha, _ = p.backward(dgamma, dbeta)
	return dalpha
}

// Derf, dynamic erf, is DyT with another function and a shift (Chen et al. 2025):
//
//	u = α·x + shift    y = γ·erf(u) + β
//
// erf(u) is kept for DerfBackward, which then takes one exp and no erf.
func Derf[T Float](y, erf, x, gamma, beta []T, alpha, shift T, rows, cols int) {
	p := newPointwise(x, gamma, rows, cols)
	p.derf, p.y, p.erf, p.beta, p.alpha, p.shift = true, y, erf, beta, alpha, shift
	p.forward()
}

// DerfBackward gives Derf's gradients in one pass. With h = dy·γ·2/√π·exp(−u²):
//
//	dx = h·α    dγ = Σ_rows dy·erf(u)    dβ = Σ_rows dy    dα = Σh·x    dshift = Σh
//
// A nil dgamma or dbeta is left out.
func DerfBackward[T Float](dx, dgamma, dbeta, x, erf, gamma, dy []T, alpha, shift T, rows, cols int) (dalpha, dshift float64) {
	p := newPointwise(x, gamma, rows, cols)
	p.derf, p.dx, p.erf, p.dy, p.alpha, p.shift = true, dx, erf, dy, alpha, shift
	return p.backward(dgamma, dbeta)
}

func newPointwise[T Float](x, gamma []T, rows, cols int) *pointwise[T] {
	p := borrow[pointwise[T]]()
	p.x, p.gamma, p.rows, p.cols = x, gamma, rows, cols
	if gamma == nil {
		p.ones = constant(p.ones, cols, 1)
		p.gamma = p.ones
	}
	return p
}

// release forgets the caller's memory and keeps the scratch.
func (p *pointwise[T]) release() {
	*p = pointwise[T]{ones: p.ones, zeros: p.zeros, sums: p.sums, dalpha: p.dalpha, dshift: p.dshift}
	giveBack(p)
}

func (p *pointwise[T]) forward() {
	if p.beta == nil {
		p.zeros = constant(p.zeros, p.cols, 0)
		p.beta = p.zeros
	}
	parallel((*pointwiseForward[T])(p), rowChunks(p.rows, p.cols))
	p.release()
}

func (p *pointwise[T]) backward(dgamma, dbeta []T) (dalpha, dshift float64) {
	chunks := rowChunks(p.rows, p.cols)
	p.sums.resize(chunks, 2*p.cols)
	p.dalpha, p.dshift = Grow(p.dalpha, chunks), Grow(p.dshift, chunks)
	parallel((*pointwiseBackward[T])(p), chunks)
	p.sums.add()
	store(dgamma, p.sums.total[:p.cols])
	store(dbeta, p.sums.total[p.cols:])
	for c := range chunks {
		dalpha += p.dalpha[c]
		dshift += p.dshift[c]
	}
	p.release()
	return dalpha, dshift
}

func (f *pointwiseForward[T]) run(chunk int) {
	p := (*pointwise[T])(f)
	from, to := rowsOf(chunk, p.rows, p.cols)
	i, j := from*p.cols, to*p.cols
	if p.derf {
		simd.Of[T]().Derf(p.y[i:j], p.erf[i:j], p.x[i:j], p.gamma, p.beta, p.alpha, p.shift, to-from)
	} else {
		simd.Of[T]().DyT(p.y[i:j], p.x[i:j], p.gamma, p.beta, p.alpha, to-from)
	}
}

func (b *pointwiseBackward[T]) run(chunk int) {
	p := (*pointwise[T])(b)
	from, to := rowsOf(chunk, p.rows, p.cols)
	var dalpha, dshift float64
	p.sums.run(chunk, from, to, func(sums []T, from, to int) {
		i, j := from*p.cols, to*p.cols
		dgamma, dbeta := sums[:p.cols], sums[p.cols:]
		var da, ds float64
		if p.derf {
			da, ds = simd.Of[T]().DerfBackward(p.dx[i:j], p.x[i:j], p.erf[i:j], p.dy[i:j], p.gamma, dgamma, dbeta, p.alpha, p.shift, to-from)
		} else {
			da = simd.Of[T]().DyTBackward(p.dx[i:j], p.x[i:j], p.dy[i:j], p.gamma, dgamma, dbeta, p.alpha, to-from)
		}
		dalpha += da
		dshift += ds
	})
	p.dalpha[chunk], p.dshift[chunk] = dalpha, dshift
}
