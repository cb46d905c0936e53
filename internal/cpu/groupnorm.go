package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
)

// GroupShape is the shape of GroupNorm's x, (samples, outer, features, inner), and the number
// of groups of neighbouring features, which divides the features.
type GroupShape struct{ Samples, Outer, Features, Inner, Groups int }

// groupSize returns how many features a group has.
func (s *GroupShape) groupSize() int { return s.Features / s.Groups }

// GroupNorm normalizes each group of features of a sample of x over outer, the group's features
// and inner (Wu & He 2018):
//
//	x̂ = (x−mean)/√(variance+eps)    y = γ·x̂ + β
//
// It keeps what its backward pass needs.
type GroupNorm[T Float] struct {
	GroupShape
	Eps float64

	mean, shift, rstd []T // of each group of each sample: x̂ = (x−mean)·rstd − shift

	rows        *RowNorm[T] // for samples of one row, each group a row
	norm        featureNorm[T]
	gamma, beta []T       // the caller's
	sums        []float64 // dγ and dβ
}

// These tasks take a sample a chunk.
type (
	groupForward[T Float]    GroupNorm[T]
	groupStatistics[T Float] GroupNorm[T]
	groupBackward[T Float]   GroupNorm[T]
)

// Forward normalizes x.
func (n *GroupNorm[T]) Forward(y, x, gamma, beta []T) {
	if n.inRows() {
		n.forwardRows(y, x, gamma, beta)
		return
	}
	groups := n.Samples * n.Groups
	n.mean, n.shift, n.rstd = Grow(n.mean, groups), Grow(n.shift, groups), Grow(n.rstd, groups)
	n.start(x, gamma)
	n.beta = beta
	n.norm.moments()
	parallel((*groupForward[T])(n), n.Samples)
	n.norm.apply(y)
	n.forget()
}

// Backward writes the gradients of the last Forward. With g = dy·γ and means over a sample's
// group:
//
//	dx = rstd·(g − mean(g) − x̂·mean(g·x̂))    dγ = Σdy·x̂    dβ = Σdy
//
// with sums over samples, outer and inner. A nil dgamma or dbeta is not written.
func (n *GroupNorm[T]) Backward(dx, dgamma, dbeta, x, gamma, dy []T) {
	if n.inRows() {
		n.backwardRows(dx, dgamma, dbeta, x, gamma, dy)
		return
	}
	n.start(x, gamma)
	parallel((*groupStatistics[T])(n), n.Samples)
	n.norm.gradientSums(dy)
	parallel((*groupBackward[T])(n), n.Samples)
	n.norm.applyGradients(dx)

	n.sums = Grow(n.sums, 2*n.Features)
	clear(n.sums)
	for totals := n.norm.total; len(totals) > 0; totals = totals[len(n.sums):] {
		simd.Of[float64]().Accumulate(n.sums, totals[:len(n.sums)])
	}
	store(dgamma, n.sums[:n.Features])
	store(dbeta, n.sums[n.Features:])
	n.forget()
}

// FeatureMoments returns the mean and the variance of each feature of each sample over outer
// and inner, from the last Forward. A feature must have two numbers or more in a sample.
func (n *GroupNorm[T]) FeatureMoments() (mean, variance []float64) {
	return n.norm.means, n.norm.variances
}

func (n *GroupNorm[T]) start(x, gamma []T) {
	n.norm.start(x, n.Samples, n.Outer, n.Features, n.Inner)
	n.gamma = gamma
}

// forget releases the caller's memory.
func (n *GroupNorm[T]) forget() {
	n.norm.forget()
	n.gamma, n.beta = nil, nil
}

func (n *GroupNorm[T]) gammaOf(feature int) float64 {
	if n.gamma == nil {
		return 1
	}
	return float64(n.gamma[feature])
}

// run merges the moments of a group's features, and writes the terms of
//
//	y = (x−mean)·scale + offset
func (t *groupForward[T]) run(sample int) {
	n := (*GroupNorm[T])(t)
	f := &n.norm
	from, to := f.featuresOf(sample)
	means, rests, variances := f.means[from:to], f.rests[from:to], f.variances[from:to]
	count := float64(n.Outer * n.Inner)
	for g := range n.Groups {
		first, last := g*n.groupSize(), (g+1)*n.groupSize()
		var m Moments // of differences to the first feature's mean, which may be small beside it
		for j := first; j < last; j++ {
			m.Add(Moments{Count: count, Mean: means[j] - means[first] + rests[j], M2: float64(variances[j] * count)})
		}
		rstd, mean := 1/math.Sqrt(m.Variance()+n.Eps), T(means[first]+m.Mean)
		rounding := means[first] - float64(mean) + m.Mean
		i := sample*n.Groups + g
		n.mean[i], n.shift[i], n.rstd[i] = mean, T(rounding*rstd), T(rstd)
		for j := first; j < last; j++ {
			scale := rstd * n.gammaOf(j)
			offset := float64(-rounding * scale)
			if n.beta != nil {
				offset += float64(n.beta[j])
			}
			f.mean[from+j], f.scale[from+j], f.offset[from+j] = mean, T(scale), T(offset)
		}
	}
}

// run copies the statistics of each group to its features.
func (t *groupStatistics[T]) run(sample int) {
	n := (*GroupNorm[T])(t)
	from, to := n.norm.featuresOf(sample)
	for i := from; i < to; i++ {
		g := sample*n.Groups + (i-from)/n.groupSize()
		n.norm.mean[i], n.norm.rstd[i] = n.mean[g], n.rstd[g]
	}
}

// run turns a sample's totals into its part of dγ and dβ, and writes the terms of
//
//	dx = dy·scale − offset − (x−mean)·rstd·slope
func (t *groupBackward[T]) run(sample int) {
	n := (*GroupNorm[T])(t)
	f := &n.norm
	dgamma, dbeta := f.totals(sample)
	from, _ := f.featuresOf(sample)
	count := float64(n.Outer * n.Inner * n.groupSize())
	for g := range n.Groups {
		i := sample*n.Groups + g
		rstd, shift := float64(n.rstd[i]), float64(n.shift[i])
		var sumG, sumGX float64
		for j := g * n.groupSize(); j < (g+1)*n.groupSize(); j++ {
			dgamma[j] -= float64(shift * dbeta[j])
			sumG += float64(n.gammaOf(j) * dbeta[j])
			sumGX += float64(n.gammaOf(j) * dgamma[j])
		}
		slope := rstd * sumGX / count
		offset := rstd*sumG/count - float64(shift*slope)
		for j := g * n.groupSize(); j < (g+1)*n.groupSize(); j++ {
			f.scale[from+j], f.offset[from+j], f.slope[from+j] = T(rstd*n.gammaOf(j)), T(offset), T(slope)
		}
	}
}
