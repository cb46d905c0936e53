package results

import (
	"math"
	"slices"

	"gorgonorm/runlog"
)

// Variant is all runs of one kind, except those that the user interrupted, and their
// common measures. The loss of a run is its final one; the seeds are the samples.
type Variant struct {
	Kind
	Name  string
	Runs  []runlog.Run   // by learning rate, then seed
	Rates []runlog.Float // ascending
	Means []runlog.Float // loss at each rate, mean over seeds; not finite if one is not

	Lowest           []runlog.Float // lowest loss over the rates, of each seed; NaN if it diverged at all
	Best, BestStd    runlog.Float   // their mean and standard deviation
	BestLR           runlog.Float   // the rate with the lowest mean loss
	Sensitivities    []runlog.Float // runlog.LRSensitivity of each seed that has all rates, two or more
	Sensitivity      runlog.Float   // their mean
	SensitivityStd   runlog.Float
	LargestLR        runlog.Float // the largest rate with a mean loss within Tolerance of the best
	Diverged         int          // runs
	MedianGradNorm   runlog.Float // median over runs
	MaxGradNorm      runlog.Float // of all runs
	GradNormCV       runlog.Float // median over runs
	LossSpikes       runlog.Float // mean over runs
	GradSpikes       runlog.Float // mean over runs
	Gap              runlog.Float // loss in evaluation mode minus loss in training mode, median over runs
	Place            runlog.Place // runlog.Places by the lowest losses; zero with fewer than two seeds
	SensitivityPlace runlog.Place
}

// Tolerance is the distance in nats from a variant's best loss within which a learning
// rate trains well.
const Tolerance = 0.1

// Final returns a run's loss ℓ: the validation loss of its last step. It is NaN if the
// watchdog ended the run early, or if anything in the run was not finite, with or
// without a watchdog.
func Final(r runlog.Run) runlog.Float {
	if r.Summary.Steps < r.Config.Steps || r.Summary.Divergence == runlog.NonFinite {
		return nan
	}
	return r.Summary.LastVal
}

// variants groups sorted runs by kind and measures each group.
func variants(runs []runlog.Run) (vs []Variant) {
	kinds := distinct(runs, KindOf)
	for _, k := range kinds {
		v := Variant{Kind: k, Name: k.Name(kinds)}
		for _, r := range runs {
			if KindOf(r) == k && !r.Summary.Interrupted {
				v.Runs = append(v.Runs, r)
			}
		}
		v.measure()
		vs = append(vs, v)
	}
	places(vs, func(v *Variant) ([]runlog.Float, *runlog.Place) { return v.Lowest, &v.Place })
	rates := mostRates(vs)
	places(vs, func(v *Variant) ([]runlog.Float, *runlog.Place) {
		return v.sensitivitiesOver(rates), &v.SensitivityPlace
	})
	return vs
}

func find(vs []Variant, k Kind) (Variant, bool) {
	i := slices.IndexFunc(vs, func(v Variant) bool { return v.Kind == k })
	if i < 0 {
		return Variant{}, false
	}
	return vs[i], true
}

func (v *Variant) measure() {
	v.measureRates()
	v.measureSeeds()
	each := func(measure func(runlog.Summary) runlog.Float) (values []runlog.Float) {
		for _, r := range v.Runs {
			values = append(values, measure(r.Summary))
		}
		return values
	}
	spikes := func(measure func(runlog.Summary) runlog.Float) runlog.Float {
		mean, _ := runlog.MeanStd(finite(each(measure))) // NaN if not measured
		return mean
	}
	v.MedianGradNorm = runlog.Median(each(func(s runlog.Summary) runlog.Float { return s.MedianGradNorm }))
	v.MaxGradNorm = runlog.Largest(each(func(s runlog.Summary) runlog.Float { return s.MaxGradNorm }))
	v.GradNormCV = runlog.Median(finite(each(func(s runlog.Summary) runlog.Float { return s.GradNormCV })))
	v.LossSpikes = spikes(func(s runlog.Summary) runlog.Float { return s.LossSpikes })
	v.GradSpikes = spikes(func(s runlog.Summary) runlog.Float { return s.GradSpikes })
	var gaps []runlog.Float
	for _, r := range v.Runs {
		gaps = append(gaps, Final(r)-r.Summary.TrainModeVal)
		if r.Summary.DivergedAt > 0 {
			v.Diverged++
		}
	}
	v.Gap = runlog.Median(finite(gaps))
}

// measureRates measures the loss at each learning rate, and the best and the largest
// rate.
func (v *Variant) measureRates() {
	v.Rates = distinct(v.Runs, Rate)
	v.BestLR = nan
	best := runlog.Float(math.Inf(1))
	var trained []runlog.Float // means, of rates at which no run diverged
	for _, lr := range v.Rates {
		mean, _ := runlog.MeanStd(v.Losses(lr))
		v.Means = append(v.Means, mean)
		if v.DivergedAt(lr) > 0 {
			mean = nan
		}
		if trained = append(trained, mean); mean < best {
			best, v.BestLR = mean, lr
		}
	}
	v.LargestLR = runlog.LargestRate(v.Rates, trained, Tolerance)
}

// DivergedAt returns the number of runs at a learning rate that diverged.
func (v Variant) DivergedAt(lr runlog.Float) (n int) {
	for _, r := range v.Runs {
		if Rate(r) == lr && r.Summary.DivergedAt > 0 {
			n++
		}
	}
	return n
}

// Losses returns the final losses at a learning rate, in the order of the seeds.
func (v Variant) Losses(lr runlog.Float) (losses []runlog.Float) {
	for _, r := range v.Runs {
		if Rate(r) == lr {
			losses = append(losses, Final(r))
		}
	}
	return losses
}

// measureSeeds measures each seed over the learning rates.
func (v *Variant) measureSeeds() {
	seeds := distinct(v.Runs, func(r runlog.Run) uint64 { return r.Config.Seed })
	slices.Sort(seeds)
	for _, seed := range seeds {
		var losses []runlog.Float
		init, lowest := nan, nan
		rates := map[float64]bool{}
		for _, r := range v.Runs {
			if r.Config.Seed != seed {
				continue
			}
			l := Final(r)
			losses = append(losses, l)
			rates[r.Config.LR] = true
			if l.Finite() && r.Summary.DivergedAt == 0 && !(lowest <= l) {
				lowest = l
			}
			if !init.Finite() {
				init = r.Untrained() // the same at every rate
			}
		}
		v.Lowest = append(v.Lowest, lowest)
		if len(rates) > 1 && len(rates) == len(v.Rates) {
			sensitivity := nan // nothing is best where every rate diverged
			if lowest.Finite() {
				sensitivity = runlog.LRSensitivity(losses, init)
			}
			v.Sensitivities = append(v.Sensitivities, sensitivity)
		}
	}
	v.Best, v.BestStd = runlog.MeanStd(v.Lowest)
	v.Sensitivity, v.SensitivityStd = runlog.MeanStd(v.Sensitivities)
}

// Cells returns the number of cells of the grid in which the variant has a run.
func (v Variant) Cells() int { return len(distinct(v.Runs, CellOf)) }

// InitVals returns the range of the validation losses before the first step.
func (v Variant) InitVals() Range {
	var losses []runlog.Float
	for _, r := range v.Runs {
		losses = append(losses, r.Summary.InitVal)
	}
	return RangeOf(losses)
}

// NotBelowInit returns the number of runs whose final loss is not below the validation
// loss before the first step.
func (v Variant) NotBelowInit() (n int) {
	for _, r := range v.Runs {
		if !(Final(r) < r.Summary.InitVal) {
			n++
		}
	}
	return n
}

// Repeats returns the number of runs beyond one in each cell of the grid.
func (v Variant) Repeats() int { return len(v.Runs) - v.Cells() }
