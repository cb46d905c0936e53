package train

import (
	"context"
	"runtime"
	"slices"
	"time"
)

// Cost is the time that the parts of a run take.
type Cost struct{ Setup, Step, Probe, Evaluation time.Duration }

// A trial takes so many steps, or one if that takes long.
const (
	trialSteps = 12
	trialTime  = time.Second
)

// Trial measures the parts of one run, until the context ends. The first step, in
// which memory is taken, does not count, and of the others the median: a few of
// them are too short to average over what else the machine does.
func Trial(ctx context.Context, c Config, text *Corpus) (t Cost, err error) {
	c.Steps, c.EvalEvery, c.ProbeEvery = trialSteps+2, trialSteps+2, 0 // nothing but steps
	var l *loop
	defer func() {
		if l != nil {
			l.close()
		}
	}()
	var run Run
	step := func() error {
		s, err := l.step(&run)
		run.Steps = append(run.Steps, s)
		return err
	}
	took := func(f func() error) (d time.Duration) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			began := time.Now()
			err = f()
			d = time.Since(began)
		}
		return d
	}
	t.Setup = took(func() (err error) { l, err = newLoop(c, text); return err })
	took(step)
	runtime.GC() // what setting up has left is not for the steps to clear away
	var steps []time.Duration
	for began := time.Now(); err == nil && len(steps) < trialSteps && (len(steps) == 0 || time.Since(began) < trialTime); {
		steps = append(steps, took(step))
	}
	t.Probe = took(func() error { l.prober.before(); l.prober.read(1); return nil })
	t.Evaluation = took(func() error { _, err := l.loss(&l.eval, 0); return err })
	if err != nil {
		return Cost{}, err
	}
	slices.Sort(steps)
	t.Step = steps[len(steps)/2]
	t.Evaluation *= time.Duration(l.batchesOf(&l.eval))
	return t, nil
}
