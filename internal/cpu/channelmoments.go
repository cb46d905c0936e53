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
// The last difference cancels little, because the pilot is about a deviation from the
// mean at the most; where it is not, the mean found is the next pilot. c.rests get what
// the means' rounding to float64 loses.
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
	means, rests, variances := c.means[from:to], c.rests[from:to], c.variances[from:to]
	for j, p := range c.pilot[from:to] {
		d := sum[j] / n
		mean, rest := split(float64(p), d)
		variance := max(0, squares[j]/n-d*d)
		const tiny = 1e-30 // a deviation's square, of those that vanish in float32
		constant := squares[j] == 0 && d == 0 && c.alike(sample, j)
		if !(squares[j] < math.MaxFloat32) || variance < tiny && !constant { // the sums are in T
			mean, rest, variance = c.careful(sample, j)
		} else if d*d > 2*variance && T(mean) != p {
			c.far.Store(true)
		}
		means[j], rests[j], variances[j] = mean, rest, variance
	}
}

// split gives x + d rounded to float64, and the rest, for a d that is small beside x or
// does not matter.
func split(x, d float64) (sum, rest float64) {
	sum = x + d
	return sum, x - sum + d
}

// careful takes the moments of a sample's channel in two passes of float64, for
// values that are too large to be squared in T, or too small, or no numbers.
func (c *channelNorm[T]) careful(sample, channel int) (mean, rest, variance float64) {
	each := func(do func(x float64)) {
		for o := range c.outer {
			at := ((sample*c.outer+o)*c.channels + channel) * c.inner
			for _, v := range c.x[at : at+c.inner] {
				do(float64(v))
			}
		}
	}
	n := float64(c.outer * c.inner)
	var about, delta, squares float64
	each(func(x float64) { about += x })
	about /= n
	each(func(x float64) {
		d := x - about
		delta += d
		squares += d * d
	})
	delta /= n
	mean, rest = split(about, delta)
	if variance = squares / n; variance <= math.MaxFloat64 {
		variance = max(0, variance-delta*delta)
	}
	return mean, rest, variance
}

// sampled is how many elements of each channel its pilot is made of.
func (c *channelNorm[T]) sampled() int {
	const most = 16
	return min(most, c.outer*c.inner)
}

// sample is where the i-th of them begin, a channel every inner elements.
func (c *channelNorm[T]) sample(sample, i int) int {
	k := i * (c.outer * c.inner / c.sampled())
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
	if c.inner == 1 {
		simd.Of[T]().ColumnSums(sum, squares, pilot, first, c.sampled(), c.outer/c.sampled()*c.channels)
	} else {
		for i := range c.sampled() {
			x := c.x[c.sample(sample, i):]
			for j, p := range pilot {
				sum[j] += x[j*c.inner] - p
			}
		}
	}
	n := T(c.sampled())
	for j, s := range sum {
		pilot[j] += s / n
	}
}
