package runlog

import (
	"cmp"
	"fmt"
	"math"
)

// check returns an error for the first contradiction among the files of a run. Its config
// must be valid.
func (r Run) check() error {
	return cmp.Or(r.checkLength(), r.checkSteps(), r.checkLosses(), r.checkStatistics(), r.checkProbes())
}

// checkLength returns an error if the files differ in the norm or in the number of steps.
func (r Run) checkLength() error {
	c, s := r.Config, r.Summary
	switch n := len(r.Steps); {
	case s.Norm != c.Norm:
		return fmt.Errorf("%s has the norm %q, %s %q", summaryFile, s.Norm, configFile, c.Norm)
	case n != s.Steps:
		return fmt.Errorf("%s has %d steps, %s says %d", metricsFile, n, summaryFile, s.Steps)
	case n > c.Steps || n < c.Steps && !s.Interrupted && !(s.Stopped && c.StopOnDivergence):
		return fmt.Errorf("%s has %d steps, %s says %d", metricsFile, n, configFile, c.Steps)
	}
	return nil
}

// checkSteps returns an error for the first step that is out of order, or that has a
// validation loss or a landscape although the config does not measure one there, or the other
// way round.
func (r Run) checkSteps() error {
	for i, step := range r.Steps {
		want := i + 1
		if step.Step != want {
			return fmt.Errorf("%s, line %d: step is %d, want %d", metricsFile, want, step.Step, want)
		}
		if evaluates := r.Config.Evaluates(want); evaluates && step.ValLoss == nil {
			return fmt.Errorf("%s, line %d: val_loss is missing", metricsFile, want)
		} else if !evaluates && step.ValLoss != nil {
			return fmt.Errorf("%s, line %d: val_loss is set, but %s does not evaluate at this step",
				metricsFile, want, configFile)
		}
		surveyed := r.Config.Surveys(want) && step.Loss.Finite() && step.GradNorm.Finite()
		if surveyed != (step.Landscape != nil) {
			return fmt.Errorf("%s, line %d: landscape is set: %v, want %v", metricsFile, want, !surveyed, surveyed)
		}
	}
	return nil
}

// checkLosses returns an error for the first loss of the summary that differs from the
// steps'.
func (r Run) checkLosses() error {
	s := r.Summary
	first, last, val := Float(math.NaN()), Float(math.NaN()), Float(math.NaN())
	for i, step := range r.Steps {
		if i == 0 {
			first = step.Loss
		}
		if last = step.Loss; step.ValLoss != nil {
			val = *step.ValLoss
		}
	}
	for _, f := range []struct {
		name      string
		got, want Float
	}{{"first_loss", s.FirstLoss, first}, {"last_loss", s.LastLoss, last}, {"last_val", s.LastVal, val}} {
		if f.got != f.want && (f.got == f.got || f.want == f.want) { // NaN equals NaN here
			return fmt.Errorf("%s: %s is %g, %s has %g", summaryFile, f.name, f.got, metricsFile, f.want)
		}
	}
	return nil
}

// checkStatistics returns an error if the loss with recomputed statistics is missing, or is set
// although the config recomputes none.
func (r Run) checkStatistics() error {
	if set, want := r.Summary.PreciseVal != nil, r.Config.StatisticsBatches > 0; set != want {
		return fmt.Errorf("%s: precise_val is set: %v, want %v", summaryFile, set, want)
	}
	return nil
}

// checkProbes returns an error unless there is a probe for each step at which the config
// takes one, and no other.
func (r Run) checkProbes() error {
	var probed []int
	for _, step := range r.Steps {
		if r.Config.Probes(step.Step) {
			probed = append(probed, step.Step)
		}
	}
	if len(r.Probes) != len(probed) {
		return fmt.Errorf("%s has %d probes, want %d", probesFile, len(r.Probes), len(probed))
	}
	for i, p := range r.Probes {
		if p.Step != probed[i] {
			return fmt.Errorf("%s, line %d: step is %d, want %d", probesFile, i+1, p.Step, probed[i])
		}
	}
	return nil
}
