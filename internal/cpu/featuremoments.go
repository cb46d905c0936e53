package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
)

// These tasks take a sample a chunk.
type (
	featurePilots[T Float]  featureNorm[T]
	featureMoments[T Float] featureNorm[T]
)

// moments computes the mean, its rest and the variance of each feature of each sample, from
// differences to a pilot, the mean of some of its n elements:
//
//	mean = pilot + Σ(x−pilot)/n    variance = Σ(x−pilot)²/n − (mean−pilot)²
//
// The last difference cancels little if the pilot is within about a deviation of the mean. If
// one is not, the means found become the pilots of a second round.
func (f *featureNorm[T]) moments() {
	parallel((*featurePilots[T])(f), f.samples)
	for again := true; ; again = false {
		f.sums((*featureSums[T])(f))
		f.far.Store(false)
		parallel((*featureMoments[T])(f), f.samples)
		if !f.far.Load() || !again {
			return
		}
		for i, m := range f.means {
			f.pilot[i] = T(m)
		}
	}
}

func (t *featureMoments[T]) run(sample int) {
	f := (*featureNorm[T])(t)
	n := float64(f.outer * f.inner)
	sum, squares := f.totals(sample)
	from, to := f.featuresOf(sample)
	means, rests, variances := f.means[from:to], f.rests[from:to], f.variances[from:to]
	for j, p := range f.pilot[from:to] {
		d := sum[j] / n
		mean, rest := split(float64(p), d)
		variance := max(0, squares[j]/n-float64(d*d))
		const tiny = 1e-30 // a variance that vanishes in float32
		constant := squares[j] == 0 && d == 0 && f.alike(sample, j)
		if !(squares[j] < math.MaxFloat32) || variance < tiny && !constant { // the sums are in T
			mean, rest, variance = f.careful(sample, j)
		} else if d*d > 2*variance && T(mean) != p {
			f.far.Store(true)
		}
		means[j], rests[j], variances[j] = mean, rest, variance
	}
}

// split returns x + d rounded to float64, and the rest. The rest is exact unless d is large
// beside x, where it does not matter.
func split(x, d float64) (sum, rest float64) {
	sum = x + d
	return sum, x - sum + d
}

// careful returns the moments of a sample's feature, from two passes in float64. It is for
// values whose squares overflow or vanish in T, and for NaN.
func (f *featureNorm[T]) careful(sample, feature int) (mean, rest, variance float64) {
	each := func(do func(x float64)) {
		for o := range f.outer {
			at := ((sample*f.outer+o)*f.features + feature) * f.inner
			for _, v := range f.x[at : at+f.inner] {
				do(float64(v))
			}
		}
	}
	n := float64(f.outer * f.inner)
	var about, delta, squares float64
	each(func(x float64) { about += x })
	about /= n
	each(func(x float64) {
		d := x - about
		delta += d
		squares += float64(d * d)
	})
	delta /= n
	mean, rest = split(about, delta)
	if variance = squares / n; variance <= math.MaxFloat64 {
		variance = max(0, variance-float64(delta*delta))
	}
	return mean, rest, variance
}

// sampled returns how many elements of a feature its pilot is the mean of.
func (f *featureNorm[T]) sampled() int {
	const most = 16
	return min(most, f.outer*f.inner)
}

// sampledAt returns where the i-th of them is for the first feature. The others follow inner
// elements apart.
func (f *featureNorm[T]) sampledAt(sample, i int) int {
	k := i * (f.outer * f.inner / f.sampled())
	return (sample*f.outer+k/f.inner)*f.features*f.inner + k%f.inner
}

// alike reports whether the elements that a feature's pilot is the mean of are equal.
func (f *featureNorm[T]) alike(sample, feature int) bool {
	first := f.x[f.sampledAt(sample, 0)+feature*f.inner]
	for i := range f.sampled() {
		if f.x[f.sampledAt(sample, i)+feature*f.inner] != first {
			return false
		}
	}
	return true
}

func (t *featurePilots[T]) run(sample int) {
	f := (*featureNorm[T])(t)
	from, to := f.featuresOf(sample)
	pilot, sum, squares := f.pilot[from:to], f.scale[from:to], f.offset[from:to]
	first := f.x[f.sampledAt(sample, 0):]
	for j := range pilot {
		pilot[j] = first[j*f.inner]
	}
	clear(sum)
	clear(squares)
	if f.inner == 1 {
		simd.Of[T]().ColumnSums(sum, squares, pilot, first, f.sampled(), f.outer/f.sampled()*f.features)
	} else {
		for i := range f.sampled() {
			x := f.x[f.sampledAt(sample, i):]
			for j, p := range pilot {
				sum[j] += x[j*f.inner] - p
			}
		}
	}
	n := T(f.sampled())
	for j, s := range sum {
		pilot[j] += s / n
	}
}
