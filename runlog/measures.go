package runlog

import (
	"math"
	"slices"
	"unicode/utf8"

	"gonum.org/v1/gonum/stat"
)

// Measure completes the summary with what follows from the steps and the validation
// loss of the initial weights.
func (r *Run) Measure() {
	untrained, notBelow := r.Config.untrained(r.Summary.InitVal)
	r.Summary.measure(r.Steps, untrained, notBelow)
}

// measure fills in what follows from the steps, given the loss of an untrained model
// and what a run is called that does not end below it.
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

// Divergence is the way in which a run was lost.
type Divergence string

const (
	NonFinite   Divergence = "not finite"               // a loss or the gradient was NaN or infinite
	NotLearning Divergence = "no better than its start" // the validation loss ended where it began, or above
	Guessing    Divergence = "no better than guessing"  // the same of a run that started from loaded weights
)

// AtTheEnd says that a run was lost by where it ended, all its values being finite.
func (d Divergence) AtTheEnd() bool { return d == NotLearning || d == Guessing }

// diverged says whether and at which step a run diverged: the first at which a
// loss or the gradient's norm was not finite; else the last, if the validation
// loss there is not below that of an untrained model. This is the criterion of
// Wortsman et al. 2023 (arXiv 2309.14322), who count a loss above that at
// initialization as no worse than it, made a yes or no. Of an interrupted run the
// end is not known.
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

// untrained is the validation loss that a run must get below, or it has learned
// nothing, and what one that does not is called. It is the loss of the initial
// weights, as Wortsman et al. 2023 have it (arXiv 2309.14322), where those are random.
// Loaded ones may have learned before, and a norm that takes over little of them starts
// from anything: there it is that of guessing, which random weights begin with.
func (c Config) untrained(initVal Float) (Float, Divergence) {
	if c.InitSHA256 == "" {
		return initVal, NotLearning
	}
	return Float(math.Log(float64(utf8.RuneCountInString(c.Vocabulary)))), Guessing
}

// Untrained is the validation loss of a model that has learned nothing: that of the
// run's initial weights or, where these were loaded, of guessing among the
// vocabulary's characters.
func (r Run) Untrained() Float {
	v, _ := r.Config.untrained(r.Summary.InitVal)
	return v
}

// Spikes of a series stand this many standard deviations from its rolling mean.
const spikeDeviations = 7

// spikeWindow is how many values before it a value is compared with: 1000, or a
// quarter of a series with fewer than 4000, but at least ten; 0 where there are
// too few for that.
func spikeWindow(n int) int {
	w := min(1000, n/4)
	if w < 10 {
		return 0
	}
	return w
}

// spikeScore is the share of a series' values that are at least seven standard
// deviations away from the mean of the 1000 values before them (OLMo 2, Walsh et
// al. 2024, arXiv 2501.00656, section 3.1), or of as many as the window says. A
// value that is not finite is a spike, and left out of later windows. The first
// values, which have no whole window before them, are not judged. It is NaN
// without a window.
func spikeScore(values []Float, window int) Float {
	if window == 0 || len(values) <= window {
		return Float(math.NaN())
	}
	spikes := 0
	for i := window; i < len(values); i++ {
		mean, std := stat.PopMeanStdDev(finite(values[i-window:i]), nil)
		away := math.Abs(float64(values[i]) - mean)
		if !values[i].Finite() || away > 0 && away >= spikeDeviations*std {
			spikes++
		}
	}
	return Float(spikes) / Float(len(values)-window)
}

// Median is the middle value, or the mean of the middle two. NaN counts as the
// largest. It is NaN for no values.
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

// variation is the coefficient of variation, standard deviation over mean, of
// the finite values; NaN where there are fewer than two.
func variation(values []Float) Float {
	f := finite(values)
	if len(f) < 2 {
		return Float(math.NaN())
	}
	mean, std := stat.PopMeanStdDev(f, nil)
	return Float(std / mean)
}

// Largest is the largest value, or the first that is not finite; NaN for none.
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

// LRSensitivity is the mean over a grid of learning rates of
//
//	min(ℓ(η), ℓ₀) − ℓ*
//
// with ℓ(η) the final loss at each rate, ℓ₀ the loss at initialization and ℓ* the
// lowest ℓ(η) (Wortsman et al. 2023, arXiv 2309.14322, section 2.2). A loss that
// is not finite counts as ℓ₀. It is NaN where no rate gets below ℓ₀, for then
// there is no ℓ*.
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

// LargestRate is the largest of the learning rates whose final loss is within
// some nats of the lowest; NaN if no loss is finite.
func LargestRate(rates, losses []Float, within Float) Float {
	best, top := Float(math.Inf(1)), Float(math.NaN())
	for _, l := range losses {
		if l.Finite() {
			best = min(best, l)
		}
	}
	for i, l := range losses {
		if l.Finite() && l <= best+within && !(rates[i] <= top) {
			top = rates[i]
		}
	}
	return top
}

// MeanStd is the mean of values and their standard deviation, that of a sample
// (n − 1), which is NaN for fewer than two.
func MeanStd(values []Float) (mean, std Float) {
	f := make([]float64, len(values))
	for i, v := range values {
		f[i] = float64(v)
	}
	m, s := stat.MeanStdDev(f, nil)
	return Float(m), Float(s)
}

// Place is what is known of a group's rank, 1 the lowest: from Best to Worst.
type Place struct{ Best, Worst int }

// Places ranks n groups of values, lower better. A group's place is from
//
//	1 + groups all of whose values lie below all of its own
//
// to
//
//	n − groups all of whose values lie above all of its own
//
// so groups that overlap say nothing about their order, and one that is spread
// wide is placed as wide. Each group is one kind of run and its values those of
// the seeds; of a single seed nothing follows, and its place is 1 to n. NaN
// counts as the largest.
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

// Below says that all values of a, two or more, are less than all of b, two or
// more.
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

func finite(values []Float) (f []float64) {
	for _, v := range values {
		if v.Finite() {
			f = append(f, float64(v))
		}
	}
	return f
}
