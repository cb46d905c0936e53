package cpu

import "math"

// BatchNorm normalizes each feature of x, of shape (outer, features, inner), over outer and
// inner (Ioffe & Szegedy 2015):
//
//	x̂ = (x−mean)/√(variance+eps)    y = γ·x̂ + β
//
// It keeps what its backward pass needs. Outer follows from the length of x, and may differ
// from one forward pass to the next.
type BatchNorm[T Float] struct {
	Features, Inner int
	Eps             float64

	Mean, Variance []float64 // the statistics of the last forward pass, an element for each feature

	own  bool // whether they are the batch's own
	norm featureNorm[T]
}

// Forward normalizes x by its own mean and variance.
func (n *BatchNorm[T]) Forward(y, x, gamma, beta []T) {
	n.start(x)
	n.own = true
	n.norm.moments()
	n.normalize(y, gamma, beta)
}

// Evaluate normalizes x by the given statistics.
func (n *BatchNorm[T]) Evaluate(y, x, gamma, beta, mean, variance []T) {
	n.start(x)
	n.own = false
	for j := range n.Mean {
		n.Mean[j], n.Variance[j] = float64(mean[j]), float64(variance[j])
	}
	clear(n.norm.rests)
	n.normalize(y, gamma, beta)
}

// Backward writes the gradients of the last forward pass. With rstd = 1/√(variance+eps), sums
// over outer and inner, and n = outer·inner:
//
//	dγ = Σdy·x̂    dβ = Σdy
//	dx = γ·rstd·(dy − dβ/n − x̂·dγ/n)   after Forward
//	dx = γ·rstd·dy                     after Evaluate
//
// A nil dgamma or dbeta is not written.
func (n *BatchNorm[T]) Backward(dx, dgamma, dbeta, x, gamma, dy []T) {
	n.start(x)
	f := &n.norm
	for j, mean := range n.Mean {
		f.mean[j], f.rstd[j] = T(mean), T(1/math.Sqrt(n.Variance[j]+n.Eps))
	}
	f.gradientSums(dy)
	n.gradients(dgamma, dbeta, gamma)
	f.applyGradients(dx)
	f.forget()
}

func (n *BatchNorm[T]) start(x []T) {
	n.norm.start(x, 1, len(x)/(n.Features*n.Inner), n.Features, n.Inner)
	n.Mean, n.Variance = n.norm.means, n.norm.variances
}

// normalize writes y. Its offset also makes up for the rounding of the mean to T.
func (n *BatchNorm[T]) normalize(y, gamma, beta []T) {
	f := &n.norm
	for j, mean := range n.Mean {
		scale := 1 / math.Sqrt(n.Variance[j]+n.Eps)
		if gamma != nil {
			scale *= float64(gamma[j])
		}
		f.mean[j], f.scale[j] = T(mean), T(scale)
		offset := float64((float64(f.mean[j]) - mean - f.rests[j]) * scale)
		if beta != nil {
			offset += float64(beta[j])
		}
		f.offset[j] = T(offset)
	}
	f.apply(y)
	f.forget()
}

// gradients writes dγ, dβ and the terms of
//
//	dx = dy·scale − offset − (x−mean)·rstd·slope
//
// from the sums. The shift is what the rounding of the mean to T takes from x̂.
func (n *BatchNorm[T]) gradients(dgamma, dbeta, gamma []T) {
	f := &n.norm
	sumX, sum1 := f.totals(0)
	numbers := float64(f.outer * f.inner)
	for j, rstd := range f.rstd {
		scale := float64(rstd)
		shift := (n.Mean[j] - float64(f.mean[j]) + f.rests[j]) * scale
		dg, db := sumX[j]-float64(shift*sum1[j]), sum1[j]
		if dgamma != nil {
			dgamma[j] = T(dg)
		}
		if dbeta != nil {
			dbeta[j] = T(db)
		}
		if gamma != nil {
			scale *= float64(gamma[j])
		}
		f.scale[j], f.offset[j], f.slope[j] = T(scale), 0, 0
		if n.own {
			slope := scale * dg / numbers
			f.offset[j], f.slope[j] = T(scale*db/numbers-float64(shift*slope)), T(slope)
		}
	}
}
