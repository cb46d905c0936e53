package report

import (
	"math"
	"slices"

	"gorgonorm/runlog"
)

// variant is all runs of one kind, those that the user interrupted left out, and
// what they measure together. A run's loss is its final one; the seeds are the
// samples.
type variant struct {
	Name string
	kind
	Rows  []row          // by learning rate, then seed
	rates []runlog.Float // ascending
	means []runlog.Float // loss at each rate, mean over seeds; not finite if one is not

	Lowest           []runlog.Float // loss over the rates, of each seed
	Best, BestStd    runlog.Float   // mean and standard deviation of those
	BestLR           runlog.Float   // with the lowest mean loss
	Sensitivities    []runlog.Float // runlog.LRSensitivity of each seed with all of the rates, two or more
	Sensitivity      runlog.Float   // mean of those
	SensitivityStd   runlog.Float
	LargestLR        runlog.Float // that trains to within tolerance of the best
	Diverged         int          // runs
	MedianGradNorm   runlog.Float // median over runs
	MaxGradNorm      runlog.Float // of all runs
	GradNormCV       runlog.Float // median over runs
	LossSpikes       runlog.Float // mean over runs
	GradSpikes       runlog.Float // mean over runs
	Gap              runlog.Float // loss in evaluation mode minus that in training mode, median over runs
	Place            runlog.Place // runlog.Places by the lowest losses; zero with fewer than two seeds
	SensitivityPlace runlog.Place
}

// tolerance is how many nats above a variant's best loss a rate still trains
// well.
const tolerance = 0.1

// final is a run's loss ℓ: the validation loss of its last step. It is not a number
// if the watchdog ended the run before, nor if anything in the run was not finite,
// whether or not there was a watchdog to end it.
func final(r row) runlog.Float {
	if r.Summary.Steps < r.Config.Steps || r.Summary.Divergence == runlog.NonFinite {
		return notANumber
	}
	return r.Summary.LastVal
}

// variants groups the rows, which are in order, by kind and measures each group.
func variants(rows []row) []variant {
	var vs []variant
	kinds := make([]kind, len(rows))
	for i, r := range rows {
		kinds[i] = kindOf(r.Run)
	}
	for i, r := range rows {
		if i == 0 || kinds[i] != kinds[i-1] {
			vs = append(vs, variant{Name: kinds[i].name(kinds), kind: kinds[i]})
		}
		if v := &vs[len(vs)-1]; !r.Summary.Interrupted {
			v.Rows = append(v.Rows, r)
		}
	}
	for i := range vs {
		vs[i].measure()
	}
	places(vs, func(v *variant) ([]runlog.Float, *runlog.Place) { return v.Lowest, &v.Place })
	most := mostRates(vs)
	places(vs, func(v *variant) ([]runlog.Float, *runlog.Place) {
		return v.sensitivitiesOver(most), &v.SensitivityPlace
	})
	return vs
}

func (v *variant) measure() {
	v.byRate()
	v.bySeed()
	sum := func(of func(runlog.Summary) runlog.Float) (values []runlog.Float) {
		for _, r := range v.Rows {
			values = append(values, of(r.Summary))
		}
		return values
	}
	spikes := func(of func(runlog.Summary) runlog.Float) runlog.Float {
		mean, _ := runlog.MeanStd(finite(sum(of))) // they are NaN where not measured
		return mean
	}
	v.MedianGradNorm = runlog.Median(sum(func(s runlog.Summary) runlog.Float { return s.MedianGradNorm }))
	v.MaxGradNorm = runlog.Largest(sum(func(s runlog.Summary) runlog.Float { return s.MaxGradNorm }))
	v.GradNormCV = runlog.Median(finite(sum(func(s runlog.Summary) runlog.Float { return s.GradNormCV })))
	v.LossSpikes = spikes(func(s runlog.Summary) runlog.Float { return s.LossSpikes })
	v.GradSpikes = spikes(func(s runlog.Summary) runlog.Float { return s.GradSpikes })
	var gaps []runlog.Float
	for _, r := range v.Rows {
		gaps = append(gaps, final(r)-r.Summary.TrainModeVal)
		if r.Summary.DivergedAt > 0 {
			v.Diverged++
		}
	}
	v.Gap = runlog.Median(finite(gaps))
}

// byRate measures over the learning rates: the loss at each, the best, and the
// largest that still trains well.
func (v *variant) byRate() {
	for _, r := range v.Rows {
		if lr := runlog.Float(r.Config.LR); !slices.Contains(v.rates, lr) {
			v.rates = append(v.rates, lr)
		}
	}
	v.BestLR = notANumber
	best := runlog.Float(math.Inf(1))
	for _, lr := range v.rates {
		mean, _ := runlog.MeanStd(v.losses(lr))
		v.means = append(v.means, mean)
		if mean < best {
			best, v.BestLR = mean, lr
		}
	}
	v.LargestLR = runlog.LargestRate(v.rates, v.means, tolerance)
}

// losses are those at a learning rate, in the order of the seeds.
func (v *variant) losses(lr runlog.Float) (losses []runlog.Float) {
	for _, r := range v.Rows {
		if runlog.Float(r.Config.LR) == lr {
			losses = append(losses, final(r))
		}
	}
	return losses
}

// bySeed measures what has each seed as a sample.
func (v *variant) bySeed() {
	for _, seed := range v.seeds() {
		var losses []runlog.Float
		init, lowest := notANumber, notANumber
		rates := map[float64]bool{}
		for _, r := range v.Rows {
			if r.Config.Seed != seed {
				continue
			}
			l := final(r)
			losses = append(losses, l)
			rates[r.Config.LR] = true
			if l.Finite() && !(lowest <= l) {
				lowest = l
			}
			if !init.Finite() {
				init = r.Untrained() // the same at every rate
			}
		}
		v.Lowest = append(v.Lowest, lowest)
		if len(rates) > 1 && len(rates) == len(v.rates) {
			v.Sensitivities = append(v.Sensitivities, runlog.LRSensitivity(losses, init))
		}
	}
	v.Best, v.BestStd = runlog.MeanStd(v.Lowest)
	v.Sensitivity, v.SensitivityStd = runlog.MeanStd(v.Sensitivities)
}

// mostRates are the learning rates of the variant that has most, the first of
// several.
func mostRates(vs []variant) (rates []runlog.Float) {
	for _, v := range vs {
		if len(v.rates) > len(rates) {
			rates = v.rates
		}
	}
	return rates
}

// sensitivitiesOver are the variant's if they are means over the given rates: those
// over others do not compare.
func (v variant) sensitivitiesOver(rates []runlog.Float) []runlog.Float {
	if !slices.Equal(v.rates, rates) {
		return nil
	}
	return v.Sensitivities
}

// seeds are those of the variant's runs, ascending.
func (v *variant) seeds() (seeds []uint64) {
	for _, r := range v.Rows {
		if !slices.Contains(seeds, r.Config.Seed) {
			seeds = append(seeds, r.Config.Seed)
		}
	}
	slices.Sort(seeds)
	return seeds
}

// places gives each variant with two samples or more its place among those, if
// there are others.
func places(vs []variant, by func(*variant) (values []runlog.Float, place *runlog.Place)) {
	var samples [][]runlog.Float
	var at []*runlog.Place
	for i := range vs {
		if values, place := by(&vs[i]); len(values) > 1 {
			samples, at = append(samples, values), append(at, place)
		}
	}
	if len(samples) < 2 {
		return
	}
	for i, place := range runlog.Places(samples) {
		*at[i] = place
	}
}
