package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
)

// groupNorm is a pass of GroupNorm under way. The statistics of channels are put
// together in groups, and what follows from those is each channel's again.
type groupNorm[T Float] struct {
	*channelNorm[T]
	groups            int
	eps               float64
	gamma, beta       []T
	mean, shift, rstd []T // an element a group of a sample

	channelMean, channelVariance []float64 // an element a channel of a sample
	sums                         []float64 // of all samples, dγ and dβ
}

// What is done sample by sample.
type (
	groupForward[T Float]    groupNorm[T]
	groupStatistics[T Float] groupNorm[T]
	groupBackward[T Float]   groupNorm[T]
)

// GroupNorm normalizes each group of channels of a sample of x, of shape (samples,
// outer, channels, inner), over outer, its channels/groups channels and inner (Wu & He
// 2018):
//
//	x̂ = (x−mean)/√(variance+eps)    y = γ·x̂ + β
//
// The statistics of the samples' groups are kept for GroupNormBackward, as
// LayerNorm's are of rows: x̂ = (x−mean)·rstd − shift.
func GroupNorm[T Float](y, x, gamma, beta, mean, shift, rstd []T, samples, outer, channels, inner, groups int, eps float64) {
	if outer == 1 && inner == 1 {
		normalizeGroups(y, x, gamma, beta, mean, shift, rstd, samples, channels, groups, eps)
		return
	}
	n := newGroupNorm(x, gamma, mean, shift, rstd, samples, outer, channels, inner, groups)
	n.y, n.beta, n.eps, n.stream = y, beta, eps, n.streams(y)
	n.channelMean, n.channelVariance = Grow(n.channelMean, samples*channels), Grow(n.channelVariance, samples*channels)
	n.moments(n.channelMean, n.channelVariance)
	parallel((*groupForward[T])(n), samples)
	parallel((*channelApply[T])(n.channelNorm), n.chunks())
	n.release()
}

// GroupNormBackward gives GroupNorm's gradients. With g = dy·γ and means over a
// sample's group:
//
//	dx = rstd·(g − mean(g) − x̂·mean(g·x̂))    dγ = Σdy·x̂    dβ = Σdy
//
// with sums over samples, outer and inner. A nil dgamma or dbeta is left out.
func GroupNormBackward[T Float](dx, dgamma, dbeta, x, gamma, mean, shift, rstd, dy []T, samples, outer, channels, inner, groups int, eps float64) {
	if outer == 1 && inner == 1 {
		normalizeGroupsBackward(dx, dgamma, dbeta, x, gamma, mean, shift, rstd, dy, samples, channels, groups, eps)
		return
	}
	n := newGroupNorm(x, gamma, mean, shift, rstd, samples, outer, channels, inner, groups)
	n.dx, n.dy, n.stream = dx, dy, n.streams(dx)
	parallel((*groupStatistics[T])(n), samples)
	n.channelNorm.sums((*channelGradientSums[T])(n.channelNorm))
	parallel((*groupBackward[T])(n), samples)
	parallel((*channelGradientApply[T])(n.channelNorm), n.chunks())

	n.sums = Grow(n.sums, 2*channels)
	clear(n.sums)
	for s := range samples {
		simd.Of[float64]().Accumulate(n.sums, n.total[2*s*channels:2*(s+1)*channels])
	}
	store(dgamma, n.sums[:channels])
	store(dbeta, n.sums[channels:])
	n.release()
}

func newGroupNorm[T Float](x, gamma, mean, shift, rstd []T, samples, outer, channels, inner, groups int) *groupNorm[T] {
	n := borrow[groupNorm[T]]()
	n.channelNorm = newChannelNorm(x, samples, outer, channels, inner)
	n.groups, n.gamma, n.mean, n.shift, n.rstd = groups, gamma, mean, shift, rstd
	return n
}

func (n *groupNorm[T]) release() {
	n.channelNorm.release()
	*n = groupNorm[T]{channelMean: n.channelMean, channelVariance: n.channelVariance, sums: n.sums}
	giveBack(n)
}

// size is how many channels a group has.
func (n *groupNorm[T]) size() int { return n.channels / n.groups }

func (n *groupNorm[T]) gammaOf(channel int) float64 {
	if n.gamma == nil {
		return 1
	}
	return float64(n.gamma[channel])
}

// run of forward merges the moments of a group's channels, and makes what gives y of
// them, as apply does.
func (t *groupForward[T]) run(sample int) {
	n := (*groupNorm[T])(t)
	from, to := n.sampleChannels(sample)
	means, rests, variances := n.channelMean[from:to], n.rests[from:to], n.channelVariance[from:to]
	count := float64(n.outer * n.inner)
	for g := range n.groups {
		first, last := g*n.size(), (g+1)*n.size()
		var m Moments // about the first channel's mean, beside which they may be small
		for j := first; j < last; j++ {
			m.Add(Moments{Count: count, Mean: means[j] - means[first] + rests[j], M2: variances[j] * count})
		}
		rstd, mean := 1/math.Sqrt(m.Variance()+n.eps), T(means[first]+m.Mean)
		rounding := means[first] - float64(mean) + m.Mean
		i := sample*n.groups + g
		n.mean[i], n.shift[i], n.rstd[i] = mean, T(rounding*rstd), T(rstd)
		for j := first; j < last; j++ {
			scale := rstd * n.gammaOf(j)
			offset := -rounding * scale
			if n.beta != nil {
				offset += float64(n.beta[j])
			}
			n.channelNorm.mean[from+j], n.scale[from+j], n.offset[from+j] = mean, T(scale), T(offset)
		}
	}
}

// run of statistics gives each channel its group's.
func (t *groupStatistics[T]) run(sample int) {
	n := (*groupNorm[T])(t)
	from, to := n.sampleChannels(sample)
	for i := from; i < to; i++ {
		g := sample*n.groups + (i-from)/n.size()
		n.channelNorm.mean[i], n.channelNorm.rstd[i] = n.mean[g], n.rstd[g]
	}
}

// run of backward makes of a sample's sums its part of dγ and dβ and, of a group's, the
// two means, with which
//
//	dx = dy·scale − offset − (x−mean)·rstd·slope
func (t *groupBackward[T]) run(sample int) {
	n := (*groupNorm[T])(t)
	dgamma, dbeta := n.totals(sample)
	from, _ := n.sampleChannels(sample)
	count := float64(n.outer * n.inner * n.size())
	for g := range n.groups {
		i := sample*n.groups + g
		rstd, shift := float64(n.rstd[i]), float64(n.shift[i])
		var sumG, sumGX float64
		for j := g * n.size(); j < (g+1)*n.size(); j++ {
			dgamma[j] -= shift * dbeta[j]
			sumG += n.gammaOf(j) * dbeta[j]
			sumGX += n.gammaOf(j) * dgamma[j]
		}
		slope := rstd * sumGX / count
		offset := rstd*sumG/count - shift*slope
		for j := g * n.size(); j < (g+1)*n.size(); j++ {
			n.scale[from+j], n.offset[from+j], n.slope[from+j] = T(rstd*n.gammaOf(j)), T(offset), T(slope)
		}
	}
}
