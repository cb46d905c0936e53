package runlog

import (
	"math"
	"slices"
	"unicode/utf8"

	"gonum.org/v1/gonum/stat"
)

// Measure completes the summary with the measures of the steps, relative to the validation
// loss of the initial weights.
func (r *Run) Measure() {
	untrained, notBelow := r.Config.untrained(r.Summary.InitVal)
	r.Summary.measure(r.Steps, untrained, notBelow)
}

// measure sets the measures of the steps, given the loss of an untrained model and the name
// of the divergence of a run that does not end below it.
func (s *Summary) measure(steps []Step, untrained Float, notBelow Divergence) {
	nan := Float(math.NaN())
	s.Steps, s.FirstLoss, s.LastLoss, s.BestVal, s.LastVal = len(steps), nan, nan, nan, nan
	var losses, norms []Float
	for _, step := range steps {
		losses, norms = append(losses, step.Loss), append(norms, step.GradNorm)
		if v := step.ValLoss; v != nil {
			s.LastVal = *v
			if v.Finite() && !(s.BestVal <= *v) {
				s.BestVal = *v
			}
		}
	}
	if len(steps) > 0 {
		s.FirstLoss, s.LastLoss = losses[0], losses[len(losses)-1]
	}
	s.MedianGradNorm, s.MaxGradNorm, s.GradNormCV = Median(norms), Largest(norms), variation(norms)
	s.SpikeWindow = spikeWindow(len(steps))
	s.LossSpikes, s.GradSpikes = spikeScore(losses, s.SpikeWindow), spikeScore(norms, s.SpikeWindow)
	s.DivergedAt, s.Divergence = diverged(steps, untrained, notBelow, s.Interrupted)
}

// Divergence is the way in which a run diverged.
type Divergence string

const (
	NonFinite   Divergence = "not finite"               // a loss or the gradient was NaN or infinite
	NotLearning Divergence = "no better than its start" // the validation loss ended where it began, or above
	Guessing    Divergence = "no better than guessing"  // the same for a run that started from loaded weights
)

// AtTheEnd reports whether a run diverged by its last validation loss, with finite values.
func (d Divergence) AtTheEnd() bool { return d == NotLearning || d == Guessing }

// diverged returns the step at which a run diverged, and how, or 0. It is the first step
// with a loss or gradient norm that is not finite. Otherwise it is the last step, if the
// validation loss there is not below that of an untrained model. An interrupted run has no
// last step. Wortsman et al. 2023 (arXiv 2309.14322) replace a loss above that at
// initialization by it; here such a loss makes the run diverged.
func diverged(steps []Step, untrained Float, notBelow Divergence, interrupted bool) (at int, how Divergence) {
	for _, s := range steps {
		if !s.Finite() {
			return s.Step, NonFinite
		}
	}
	if n := len(steps); n > 0 && !interrupted && steps[n-1].ValLoss != nil && !(*steps[n-1].ValLoss < untrained) {
		return steps[n-1].Step, notBelow
	}
	return 0, ""
}

// untrained returns the validation loss of a model that has learned nothing, and the
// divergence of a run that does not end below it. For random initial weights it is their
// loss, as in Wortsman et al. 2023 (arXiv 2309.14322). Loaded weights may have learned
// before, and a norm for which few of them fit may start at any loss. Their runs are
// compared with the loss of guessing, at which random weights start.
func (c Config) untrained(initVal Float) (Float, Divergence) {
	if c.InitSHA256 == "" {
		return initVal, NotLearning
	}
	return Float(math.Log(float64(utf8.RuneCountInString(c.Vocabulary)))), Guessing
}

// Untrained returns the validation loss of a model that has learned nothing. It is that of
// the run's initial weights or, if these were loaded, of guessing among the vocabulary's
// characters.
func (r Run) Untrained() Float {
	v, _ := r.Config.untrained(r.Summary.InitVal)
	return v
}

// spikeDeviations is the distance of a spike from the rolling mean, in standard deviations.
const spikeDeviations = 7

// spikeWindow returns the number of preceding values that a value is compared with: 1000,
// or a quarter of a series with fewer than 4000. It is 0 if that is less than ten.
func spikeWindow(n int) int {
	w := min(1000, n/4)
	if w < 10 {
		return 0
	}
	return w
}

// spikeScore returns the fraction of a series' values that are spikes: at least seven
// standard deviations away from the mean of the preceding window of values (OLMo 2, Walsh
// et al. 2024, arXiv 2501.00656, section 3.1, with a window of 1000). A value that is not
// finite is a spike, and later windows leave it out. Values without a whole window before
// them do not count. The score is NaN if no value counts.
func spikeScore(values []Float, window int) Float {
	if window == 0 || len(values) <= window {
		return Float(math.NaN())
	}
	return Float(len(Spikes(values, window))) / Float(len(values)-window)
}

// Spikes returns the indices of the values that are spikes, as in Summary.LossSpikes. A window of
// 0, of a series that is too short, has none.
func Spikes(values []Float, window int) (spikes []int) {
	for i := window; window > 0 && i < len(values); i++ {
		mean, std := stat.PopMeanStdDev(finite(values[i-window:i]), nil)
		away := math.Abs(float64(values[i]) - mean)
		if !values[i].Finite() || away > 0 && away >= spikeDeviations*std {
			spikes = append(spikes, i)
		}
	}
	return spikes
}

// Median returns the middle value, or the mean of the middle two. NaN counts as the largest
// value. The median of no values is NaN.
func Median(values []Float) Float {
	n := len(values)
	if n == 0 {
		return Float(math.NaN())
	}
	s := make([]Float, n)
	for i, v := range values {
		s[i] = v
		if math.IsNaN(float64(v)) {
			s[i] = Float(math.Inf(1))
		}
	}
	slices.Sort(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}

// variation returns the coefficient of variation of the finite values, their standard
// deviation over their mean, or NaN if there are fewer than two.
func variation(values []Float) Float {
	f := finite(values)
	if len(f) < 2 {
		return Float(math.NaN())
	}
	// In a fixed order, and without fused products, so that records are the same on every machine.
	n, mean, squares := float64(len(f)), 0.0, 0.0
	for _, v := range f {
		mean += v / n
	}
	for _, v := range f {
		d := v - mean
		squares += float64(d * d)
	}
	return Float(math.Sqrt(squares/n) / mean)
}

// Largest returns the first value that is not finite or, if all are, the largest. The
// largest of no values is NaN.
func Largest(values []Float) Float {
	top := Float(math.NaN())
	for _, v := range values {
		if !v.Finite() {
			return v
		}
		if !(v <= top) {
			top = v
		}
	}
	return top
}

// LRSensitivity returns the mean over a grid of learning rates of
//
//	min(ℓ(η), ℓ₀) − ℓ*
//
// with ℓ(η) the final loss at each rate, ℓ₀ the loss at initialization and ℓ* the
// lowest ℓ(η) (Wortsman et al. 2023, arXiv 2309.14322, section 2.2). A loss that is not
// finite counts as ℓ₀. The result is NaN if no loss is below ℓ₀, because then ℓ* is not
// defined.
func LRSensitivity(losses []Float, init Float) Float {
	best, sum := init, Float(0)
	for _, l := range losses {
		if !(l < init) {
			l = init
		}
		best = min(best, l)
		sum += l
	}
	if !(best < init) {
		return Float(math.NaN())
	}
	return sum/Float(len(losses)) - best
}

// LargestRate returns the largest of the learning rates whose final loss is at most within
// nats above the lowest, or NaN if no loss is finite. A loss without a rate has none.
func LargestRate(rates, losses []Float, within Float) Float {
	best, top := Float(math.Inf(1)), Float(math.NaN())
	for _, l := range losses {
		if l.Finite() {
			best = min(best, l)
		}
	}
	for i, l := range losses[:min(len(losses), len(rates))] {
		if l.Finite() && l <= best+within && !(rates[i] <= top) {
			top = rates[i]
		}
	}
	return top
}

// MeanStd returns the mean of values and their sample standard deviation (n − 1), which is
// NaN for fewer than two.
func MeanStd(values []Float) (mean, std Float) {
	f := make([]float64, len(values))
	for i, v := range values {
		f[i] = float64(v)
	}
	m, s := stat.MeanStdDev(f, nil)
	return Float(m), Float(s)
}

// Place is the range of ranks that a group may have, where 1 is the lowest.
type Place struct{ Best, Worst int }

// Places ranks n groups of values, of which lower ones are better. A group's best place is
//
//	1 + number of groups whose values are all below its own
//
// and its worst place is
//
//	n − number of groups whose values are all above its own
//
// Groups that overlap are not ordered, and a wide spread makes a wide place. A group is a
// kind of run, and its values are those of the seeds. A single value orders nothing, so its
// place is 1 to n. NaN counts as the largest value.
func Places(groups [][]Float) []Place {
	places := make([]Place, len(groups))
	for i, g := range groups {
		places[i] = Place{1, len(groups)}
		for _, other := range groups {
			if Below(other, g) {
				places[i].Best++
			}
			if Below(g, other) {
				places[i].Worst--
			}
		}
	}
	return places
}

// Below reports whether all values of a are less than all values of b, and both have two
// values or more.
func Below(a, b []Float) bool {
	if len(a) < 2 || len(b) < 2 {
		return false
	}
	top, bottom := Float(math.Inf(-1)), Float(math.Inf(1))
	for _, v := range a {
		if math.IsNaN(float64(v)) {
			return false
		}
		top = max(top, v)
	}
	for _, v := range b {
		if !math.IsNaN(float64(v)) {
			bottom = min(bottom, v)
		}
	}
	return top < bottom
}

// finite returns the finite values.
func finite(values []Float) (f []float64) {
	for _, v := range values {
		if v.Finite() {
			f = append(f, float64(v))
		}
	}
	return f
}
