package runlog

import (
	"fmt"
	"math"
)

// check returns an error for the first contradiction between the files of a run.
func (r Run) check() error {
	for _, check := range []func() error{r.checkLengths, r.checkSteps, r.checkSummary, r.checkProbes} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// checkLengths compares the number of steps with those that the config asks for and the
// summary counts.
func (r Run) checkLengths() error {
	c, s := r.Config, r.Summary
	switch n := len(r.Steps); {
	case s.Norm != c.Norm:
		return fmt.Errorf("%s is of the norm %q, %s of %q", summaryFile, s.Norm, configFile, c.Norm)
	case n != s.Steps:
		return fmt.Errorf("%s has %d steps, %s says %d", metricsFile, n, summaryFile, s.Steps)
	case n > c.Steps || n < c.Steps && !s.Interrupted && !(s.Stopped && c.StopOnDivergence):
		return fmt.Errorf("%s has %d steps, %s says %d", metricsFile, n, configFile, c.Steps)
	}
	return nil
}

// checkSteps wants every step once, with a validation loss where the config evaluates.
func (r Run) checkSteps() error {
	for i, step := range r.Steps {
		switch want := i + 1; {
		case step.Step != want:
			return fmt.Errorf("%s, line %d: step is %d, want %d", metricsFile, want, step.Step, want)
		case (step.ValLoss != nil) != r.Config.Evaluates(want):
			return fmt.Errorf("%s, line %d: val_loss is there: %t, want %t",
				metricsFile, want, step.ValLoss != nil, r.Config.Evaluates(want))
		}
	}
	return nil
}

// checkSummary compares the losses of the summary with those of the steps.
func (r Run) checkSummary() error {
	first, last, val := Float(math.NaN()), Float(math.NaN()), Float(math.NaN())
	for i, step := range r.Steps {
		if i == 0 {
			first = step.Loss
		}
		if last = step.Loss; step.ValLoss != nil {
			val = *step.ValLoss
		}
	}
	s := r.Summary
	for _, f := range []struct {
		name      string
		got, want Float
	}{{"first_loss", s.FirstLoss, first}, {"last_loss", s.LastLoss, last}, {"last_val", s.LastVal, val}} {
		if f.got != f.want && (f.got == f.got || f.want == f.want) { // NaN is itself here
			return fmt.Errorf("%s: %s is %g, %s has %g", summaryFile, f.name, f.got, metricsFile, f.want)
		}
	}
	return nil
}

// checkProbes wants a probe of every step that the config probes.
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
