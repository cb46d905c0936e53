package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
)

// moments takes the mean and the variance of each channel of each sample, by sums of
// differences from a pilot, the mean of n of its elements:
//
//	mean = pilot + Σ(x−pilot)/n    variance = Σ(x−pilot)²/n − (mean−pilot)²
//
// What the last difference cancels is little, for the pilot is within a fraction
// of a deviation of the mean; where it is not, the mean found is the next pilot.
func (c *channelNorm[T]) moments(means, variances []float64) {
	c.means, c.variances = means, variances
	parallel((*channelPilots[T])(c), c.samples)
	for again := true; ; again = false {
		c.sums((*channelSums[T])(c))
		c.far.Store(false)
		parallel((*channelMoments[T])(c), c.samples)
		if !c.far.Load() || !again {
			return
		}
		for i, m := range means {
			c.pilot[i] = T(m)
		}
	}
}

// ChannelMoments writes the mean and the variance of each channel of each sample of x, of
// shape (samples, outer, channels, inner), over outer and inner.
func ChannelMoments[T Float](mean, variance []float64, x []T, samples, outer, channels, inner int) {
	c := newChannelNorm(x, samples, outer, channels, inner)
	c.moments(mean, variance)
	c.release()
}

// run of moments takes a sample a chunk, and tells if a pilot was too far from the
// mean.
func (t *channelMoments[T]) run(sample int) {
	c := (*channelNorm[T])(t)
	n := float64(c.outer * c.inner)
	sum, squares := c.totals(sample)
	from, to := c.sampleChannels(sample)
	means, variances := c.means[from:to], c.variances[from:to]
	for j, p := range c.pilot[from:to] {
		d := sum[j] / n
		mean, variance := float64(p)+d, max(0, squares[j]/n-d*d)
		const tiny = 1e-30 // a deviation's square, of those that vanish in float32
		constant := squares[j] == 0 && d == 0 && c.alike(sample, j)
		if !(squares[j] < math.MaxFloat32) || variance < tiny && !constant { // the sums are in T
			mean, variance = c.careful(sample, j)
		} else if d*d > 16*variance && T(mean) != p {
			c.far.Store(true)
		}
		means[j], variances[j] = mean, variance
	}
}

// careful takes the moments of a sample's channel in two passes of float64, for
// values that are too large to be squared in T, or no numbers.
func (c *channelNorm[T]) careful(sample, channel int) (mean, variance float64) {
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
	mean = sum / n
	each(func(x float64) { squares += (x - mean) * (x - mean) })
	return mean, squares / n
}

// sampled is how many elements of each channel its pilot is made of.
func (c *channelNorm[T]) sampled() int {
	const most = 16
	return min(most, c.outer*c.inner)
}

// sample is where the i-th of them begin, a channel every inner elements.
func (c *channelNorm[T]) sample(sample, i int) int {
	k := i * (c.outer * c.inner) / c.sampled()
	return (sample*c.outer+k/c.inner)*c.channels*c.inner + k%c.inner
}

// alike says that all that a channel's pilot is made of is one number.
func (c *channelNorm[T]) alike(sample, channel int) bool {
	for i := range c.sampled() {
		if c.x[c.sample(sample, i)+channel*c.inner] != c.x[c.sample(sample, 0)+channel*c.inner] {
			return false
		}
	}
	return true
}

// run of pilots takes a sample a chunk: the mean of some elements from all over each
// channel.
func (t *channelPilots[T]) run(sample int) {
	c := (*channelNorm[T])(t)
	from, to := c.sampleChannels(sample)
	pilot, sum, squares := c.pilot[from:to], c.scale[from:to], c.offset[from:to]
	first := c.x[c.sample(sample, 0):]
	for j := range pilot {
		pilot[j] = first[j*c.inner]
	}
	clear(sum)
	clear(squares)
	for i := range c.sampled() {
		x := c.x[c.sample(sample, i):]
		if c.inner == 1 {
			simd.Of[T]().ColumnSums(sum, squares, pilot, x, 1, c.channels, false)
			continue
		}
		for j, p := range pilot {
			sum[j] += x[j*c.inner] - p
		}
	}
	n := T(c.sampled())
	for j, s := range sum {
		pilot[j] += s / n
	}
}
