package train

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"gorgonorm/internal/cpu"
	"gorgonorm/models/transformer"
)

// Estimate is how a grid's runs are to be done and how long that will take.
type Estimate struct {
	Jobs int // runs side by side
	Time time.Duration
}

// Estimate trains a few steps of every kind of model among the runs, as many side
// by side as there are to be, and adds up what those say about all of them. Where
// jobs is 0 it finds out first whether the cores are used better by one run after
// the other, on all threads, or by a run for each, and chooses that.
func (l *Lab) Estimate(ctx context.Context, cs []Config, jobs int) (e Estimate, err error) {
	defer cpu.SetThreads(0)
	e.Jobs = min(jobs, len(cs))
	if jobs == 0 {
		if e.Jobs, err = l.bestJobs(ctx, cs); err != nil {
			return e, err
		}
	}
	costs := make(map[Kind]cost)
	var times []time.Duration
	for _, c := range cs {
		k := c.Kind()
		if _, ok := costs[k]; !ok {
			if costs[k], err = l.measure(ctx, c, e.Jobs); err != nil {
				return e, err
			}
		}
		times = append(times, costs[k].of(c))
	}
	e.Time = makespan(times, e.Jobs)
	return e, nil
}

// Kind is what runs of a grid share that train models of the same kind, which take
// the same time.
type Kind struct {
	Norm      string
	Placement transformer.Placement
	QKNorm    bool
}

// Kind is the run's.
func (c Config) Kind() Kind { return Kind{c.Norm, c.Placement, c.QKNorm} }

// bestJobs compares the time that a step takes alone with that of steps side by
// side, a thread each, shared by as many.
func (l *Lab) bestJobs(ctx context.Context, cs []Config) (int, error) {
	most := min(runtime.GOMAXPROCS(0), len(cs))
	if most < 2 {
		return 1, nil
	}
	alone, err := l.measure(ctx, cs[0], 1)
	if err != nil {
		return 0, err
	}
	beside, err := l.measure(ctx, cs[0], most)
	if err != nil {
		return 0, err
	}
	return faster(alone.step, beside.step, most), nil
}

// faster is how many runs to do at a time, one or n, given the time of a step alone
// and of one among n.
func faster(alone, beside time.Duration, n int) int {
	if beside/time.Duration(n) < alone {
		return n
	}
	return 1
}

// cost is the time that the parts of a run take.
type cost struct{ setup, step, probe, evaluation time.Duration }

// of adds up a run: it evaluates before the first step and, in training mode,
// after the last, too.
func (t cost) of(c Config) time.Duration {
	probes, evaluations := 0, 3+(c.Steps-1)/c.EvalEvery
	if c.ProbeEvery > 0 {
		probes = 2 + c.Steps/c.ProbeEvery
	}
	all := t.setup
	for _, part := range []time.Duration{times(c.Steps, t.step), times(probes, t.probe), times(evaluations, t.evaluation)} {
		all = plus(all, part)
	}
	return all
}

// times is n·d, or the longest time that there is, 292 years, if that is less.
func times(n int, d time.Duration) time.Duration {
	if d > 0 && int64(n) > math.MaxInt64/int64(d) {
		return math.MaxInt64
	}
	return time.Duration(n) * d
}

// plus is a + b, or the longest time that there is.
func plus(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// measure takes the mean cost of runs of one kind, jobs of them side by side.
func (l *Lab) measure(ctx context.Context, c Config, jobs int) (mean cost, err error) {
	share(jobs)
	costs, errs := make([]cost, jobs), make([]error, jobs)
	var runs sync.WaitGroup
	for i := range jobs {
		runs.Go(func() { costs[i], errs[i] = trial(ctx, c, l.Text) })
	}
	runs.Wait()
	for i, t := range costs {
		if errs[i] != nil {
			return mean, errs[i]
		}
		n := time.Duration(jobs)
		mean.setup += t.setup / n
		mean.step += t.step / n
		mean.probe += t.probe / n
		mean.evaluation += t.evaluation / n
	}
	return mean, nil
}

// A trial takes so many steps, or one if that takes long.
const (
	trialSteps = 12
	trialTime  = time.Second
)

// trial measures the parts of one run, until the context ends. The first step, in
// which memory is taken, does not count, and of the others the median: a few of
// them are too short to average over what else the machine does.
func trial(ctx context.Context, c Config, text *Corpus) (t cost, err error) {
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
	t.setup = took(func() (err error) { l, err = newLoop(c, text); return err })
	took(step)
	runtime.GC() // what setting up has left is not for the steps to clear away
	var steps []time.Duration
	for began := time.Now(); err == nil && len(steps) < trialSteps && (len(steps) == 0 || time.Since(began) < trialTime); {
		steps = append(steps, took(step))
	}
	t.probe = took(func() error { l.prober.before(); l.prober.read(1); return nil })
	t.evaluation = took(func() error { _, err := l.loss(&l.eval, 0); return err })
	if err != nil {
		return cost{}, err
	}
	slices.Sort(steps)
	t.step = steps[len(steps)/2]
	t.evaluation *= time.Duration(l.batchesOf(&l.eval))
	return t, nil
}

// makespan is when the last of tasks ends that so many workers take in order.
func makespan(tasks []time.Duration, workers int) time.Duration {
	free := make([]time.Duration, workers)
	for _, t := range tasks {
		first := slices.Index(free, slices.Min(free))
		free[first] = plus(free[first], t)
	}
	return slices.Max(free)
}
