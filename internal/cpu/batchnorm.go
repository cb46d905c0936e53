package cpu

import "math"

// BatchNorm normalizes each channel of x, of shape (outer, channels, inner), by its
// mean and variance over outer and inner (Ioffe & Szegedy 2015):
//
//	x̂ = (x−mean)/√(variance+eps)    y = γ·x̂ + β
//
// It writes them to mean and variance, and to rest what the rounding of the mean to
// float64 loses.
func BatchNorm[T Float](y, x, gamma, beta []T, mean, rest, variance []float64, outer, channels, inner int, eps float64) {
	c := newChannelNorm(x, 1, outer, channels, inner)
	c.y, c.stream = y, c.streams(y)
	c.moments(mean, variance)
	copy(rest, c.rests)
	c.apply(gamma, beta, mean, variance, eps)
	c.release()
}

// ColumnNorm is BatchNorm with given statistics.
func ColumnNorm[T Float](y, x, gamma, beta []T, mean, variance []float64, outer, channels, inner int, eps float64) {
	c := newChannelNorm(x, 1, outer, channels, inner)
	c.y, c.stream = y, c.streams(y)
	clear(c.rests)
	c.apply(gamma, beta, mean, variance, eps)
	c.release()
}

// ColumnNormBackward gives the gradients of ColumnNorm or, where the statistics
// are the batch's own, of BatchNorm. With rstd = 1/√(variance+eps), sums over outer
// and inner, and n = outer·inner:
//
//	dγ = Σdy·x̂    dβ = Σdy
//	dx = γ·rstd·(dy − dβ/n − x̂·dγ/n)   where the statistics are the batch's own
//	dx = γ·rstd·dy                     where they are given (evaluation)
//
// A nil dgamma or dbeta is left out. A nil rest stands for zeros, of statistics that are
// given.
func ColumnNormBackward[T Float](dx, dgamma, dbeta, x, gamma []T, mean, rest, variance []float64, dy []T, outer, channels, inner int, eps float64, ownStatistics bool) {
	c := newChannelNorm(x, 1, outer, channels, inner)
	c.dx, c.dy, c.stream = dx, dy, c.streams(dx)
	clear(c.rests)
	copy(c.rests, rest)
	c.gradients(dgamma, dbeta, gamma, mean, variance, eps, ownStatistics)
	c.release()
}

// apply: y = (x−mean)·scale + offset. The offset also makes up for the rounding of the
// mean.
func (c *channelNorm[T]) apply(gamma, beta []T, mean, variance []float64, eps float64) {
	for j := range c.mean {
		scale := 1 / math.Sqrt(variance[j]+eps)
		if gamma != nil {
			scale *= float64(gamma[j])
		}
		c.mean[j], c.scale[j] = T(mean[j]), T(scale)
		offset := (float64(c.mean[j]) - mean[j] - c.rests[j]) * scale
		if beta != nil {
			offset += float64(beta[j])
		}
		c.offset[j] = T(offset)
	}
	parallel((*channelApply[T])(c), c.chunks())
}

// gradients gives dγ, dβ and
//
//	dx = dy·scale − offset − (x−mean)·rstd·slope
//
// where offset and slope are 0 if the statistics are given. The offset also makes up for
// the shift, what the rounding of the mean takes from x̂.
func (c *channelNorm[T]) gradients(dgamma, dbeta, gamma []T, mean, variance []float64, eps float64, ownStatistics bool) {
	for j := range c.mean {
		c.mean[j], c.rstd[j] = T(mean[j]), T(1/math.Sqrt(variance[j]+eps))
	}
	c.sums((*channelGradientSums[T])(c))
	sumX, sum1 := c.totals(0)
	n := float64(c.outer * c.inner)
	for j, rstd := range c.rstd {
		scale := float64(rstd)
		shift := (mean[j] - float64(c.mean[j]) + c.rests[j]) * scale
		dg, db := sumX[j]-shift*sum1[j], sum1[j]
		if dgamma != nil {
			dgamma[j] = T(dg)
		}
		if dbeta != nil {
			dbeta[j] = T(db)
		}
		if gamma != nil {
			scale *= float64(gamma[j])
		}
		c.scale[j], c.offset[j], c.slope[j] = T(scale), 0, 0
		if ownStatistics {
			slope := scale * dg / n
			c.offset[j], c.slope[j] = T(scale*db/n-shift*slope), T(slope)
		}
	}
	parallel((*channelGradientApply[T])(c), c.chunks())
}
