package train

import (
	"context"
	"runtime"
	"slices"
	"time"
)

// Cost is the time that each part of a run takes.
type Cost struct{ Setup, Step, Probe, Evaluation time.Duration }

// MeasureCost measures at most costSteps steps, and starts none after costTime except the
// first.
const (
	costSteps = 12
	costTime  = time.Second
)

// MeasureCost measures the parts of one run, or returns ctx.Err() if ctx ends. It leaves
// out the first step, which allocates memory, and takes the median of the others, because
// a mean of so few steps would depend on what else the machine does.
func MeasureCost(ctx context.Context, c Config, text *Corpus) (t Cost, err error) {
	if err := Check(c, text); err != nil {
		return t, err
	}
	c.Steps, c.EvalEvery, c.ProbeEvery, c.LandscapeEvery = costSteps+2, costSteps+2, 0, 0 // nothing but steps
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
	runtime.GC() // so that the steps do not pay for garbage of the setup
	var steps []time.Duration
	for began := time.Now(); err == nil && len(steps) < costSteps && (len(steps) == 0 || time.Since(began) < costTime); {
		steps = append(steps, took(step))
	}
	t.Probe = took(func() error { l.prober.before(); l.prober.read(1); return nil })
	batch := 0
	t.Evaluation = took(func() error {
		batch = len(l.eval.ids) / c.Context
		_, err := l.loss(&l.eval, l.windows[:batch])
		return err
	})
	if err != nil {
		return Cost{}, err
	}
	slices.Sort(steps)
	t.Step = steps[len(steps)/2]
	t.Evaluation *= time.Duration(len(l.windows) / batch)
	return t, nil
}
