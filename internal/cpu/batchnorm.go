package cpu

import "math"

// BatchNorm normalizes each channel of x, of shape (outer, channels, inner), by its
// mean and variance over outer and inner (Ioffe & Szegedy 2015), which it writes to
// mean and variance:
//
//	x̂ = (x−mean)/√(variance+eps)    y = γ·x̂ + β
func BatchNorm[T Float](y, x, gamma, beta []T, mean, variance []float64, outer, channels, inner int, eps float64) {
	c := newChannelNorm(x, 1, outer, channels, inner)
	c.y, c.stream = y, c.streams(y)
	c.moments(mean, variance)
	c.apply(gamma, beta, mean, variance, eps)
	c.release()
}

// ColumnNorm is BatchNorm with given statistics.
func ColumnNorm[T Float](y, x, gamma, beta []T, mean, variance []float64, outer, channels, inner int, eps float64) {
	c := newChannelNorm(x, 1, outer, channels, inner)
	c.y, c.stream = y, c.streams(y)
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
// A nil dgamma or dbeta is left out.
func ColumnNormBackward[T Float](dx, dgamma, dbeta, x, gamma []T, mean, variance []float64, dy []T, outer, channels, inner int, eps float64, ownStatistics bool) {
	c := newChannelNorm(x, 1, outer, channels, inner)
	c.dx, c.dy, c.stream = dx, dy, c.streams(dx)
	c.gradients(dgamma, dbeta, gamma, mean, variance, eps, ownStatistics)
	c.release()
}

// moments takes the mean and the variance of each channel of each sample, by sums of
// differences from a pilot, the mean of n of its elements:
//
//	mean = pilot + Σ(x−pilot)/n    variance = Σ(x−pilot)²/n − (mean−pilot)²
//
// What the last difference cancels is little, for the pilot is within a fraction
// of a deviation of the mean; where it is not, the mean found is the next pilot.
func (c *channelNorm[T]) moments(mean, variance []float64) {
	parallel((*channelPilots[T])(c), c.samples)
	for again := true; ; again = false {
		c.sums((*channelSums[T])(c))
		far := false
		for s := range c.samples {
			from, to := s*c.channels, (s+1)*c.channels
			if c.sampleMoments(s, mean[from:to], variance[from:to], c.pilot[from:to]) {
				far = true
			}
		}
		if !far || !again {
			return
		}
		for i, m := range mean {
			c.pilot[i] = T(m)
		}
	}
}

// sampleMoments says if a pilot was too far from the mean.
func (c *channelNorm[T]) sampleMoments(sample int, mean, variance []float64, pilot []T) (far bool) {
	n := float64(c.outer * c.inner)
	sum, squares := c.totals(sample)
	for j, p := range pilot {
		d := sum[j] / n
		mean[j] = float64(p) + d
		variance[j] = max(0, squares[j]/n-d*d)
		const tiny = 1e-30 // a deviation's square, of those that vanish in float32
		constant := squares[j] == 0 && d == 0 && c.alike(sample, j)
		if !(squares[j] < math.MaxFloat32) || variance[j] < tiny && !constant { // the sums are in T
			c.careful(sample, j, &mean[j], &variance[j])
		} else if d*d > 16*variance[j] && T(mean[j]) != p {
			far = true
		}
	}
	return far
}

// careful takes the moments of a sample's channel in two passes of float64, for
// values that are too large to be squared in T, or no numbers.
func (c *channelNorm[T]) careful(sample, channel int, mean, variance *float64) {
	each := func(do func(x float64)) {
		for o := range c.outer {
			at := ((sample*c.outer+o)*c.channels + channel) * c.inner
			for _, v := range c.x[at : at+c.inner] {
				do(float64(v))
			}
		}
	}
	n := float64(c.outer * c.inner)
	var sum, squares float64
	each(func(x float64) { sum += x })
	m := sum / n
	each(func(x float64) { squares += (x - m) * (x - m) })
	*mean, *variance = m, squares/n
}

// apply: y = (x−mean)·scale + offset, in which the offset
// also makes up for the rounding of the mean.
func (c *channelNorm[T]) apply(gamma, beta []T, mean, variance []float64, eps float64) {
	for j := range c.mean {
		scale := 1 / math.Sqrt(variance[j]+eps)
		if gamma != nil {
			scale *= float64(gamma[j])
		}
		c.mean[j], c.scale[j] = T(mean[j]), T(scale)
		offset := (float64(c.mean[j]) - mean[j]) * scale
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
// shift is what the rounding of the mean takes from x̂.
func (c *channelNorm[T]) gradients(dgamma, dbeta, gamma []T, mean, variance []float64, eps float64, ownStatistics bool) {
	for j := range c.mean {
		c.mean[j], c.rstd[j] = T(mean[j]), T(1/math.Sqrt(variance[j]+eps))
	}
	c.sums((*channelGradientSums[T])(c))
	sumX, sum1 := c.totals(0)
	n := float64(c.outer * c.inner)
	for j, rstd := range c.rstd {
		scale := float64(rstd)
		shift := (mean[j] - float64(c.mean[j])) * scale
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
