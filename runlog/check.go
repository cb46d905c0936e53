package runlog

import (
	"fmt"
	"math"
)

// check reports the first thing in which the files do not fit each other, the config
// being one that can be.
func (r Run) check() error {
	c, s := r.Config, r.Summary
	switch n := len(r.Steps); {
	case s.Norm != c.Norm:
		return fmt.Errorf("%s is of the norm %q, %s of %q", summaryFile, s.Norm, configFile, c.Norm)
	case n != s.Steps:
		return fmt.Errorf("%s has %d steps, %s says %d", metricsFile, n, summaryFile, s.Steps)
	case n > c.Steps || n < c.Steps && !s.Interrupted && !(s.Stopped && c.StopOnDivergence):
		return fmt.Errorf("%s has %d steps, %s says %d", metricsFile, n, configFile, c.Steps)
	}
	var probed []int
	first, last, val := Float(math.NaN()), Float(math.NaN()), Float(math.NaN())
	for i, step := range r.Steps {
		switch want := i + 1; {
		case step.Step != want:
			return fmt.Errorf("%s, line %d: step is %d, want %d", metricsFile, want, step.Step, want)
		case (step.ValLoss != nil) != c.Evaluates(want):
			return fmt.Errorf("%s, line %d: val_loss is there: %t, want %t",
				metricsFile, want, step.ValLoss != nil, c.Evaluates(want))
		case c.Probes(want):
			probed = append(probed, want)
		}
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
		if f.got != f.want && (f.got == f.got || f.want == f.want) { // NaN is itself here
			return fmt.Errorf("%s: %s is %g, %s has %g", summaryFile, f.name, f.got, metricsFile, f.want)
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
