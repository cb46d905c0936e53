package lab

import (
	"context"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"gorgonorm/internal/cpu"
	"gorgonorm/runlog"
	"gorgonorm/train"
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
func (l *Lab) Estimate(ctx context.Context, cs []runlog.Config, jobs int) (e Estimate, err error) {
	defer cpu.SetThreads(0)
	e.Jobs = min(jobs, len(cs))
	if jobs == 0 {
		if e.Jobs, err = l.bestJobs(ctx, cs); err != nil {
			return e, err
		}
	}
	costs := make(map[kind]train.Cost)
	var times []time.Duration
	for _, c := range cs {
		k := kindOf(c)
		if _, ok := costs[k]; !ok {
			if costs[k], err = l.measure(ctx, c, e.Jobs); err != nil {
				return e, err
			}
		}
		times = append(times, timeOf(costs[k], c))
	}
	e.Time = makespan(times, e.Jobs)
	return e, nil
}

// bestJobs compares the time that a step takes alone with that of steps side by
// side, a thread each, shared by as many.
func (l *Lab) bestJobs(ctx context.Context, cs []runlog.Config) (int, error) {
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
	return faster(alone.Step, beside.Step, most), nil
}

// faster is how many runs to do at a time, one or n, given the time of a step alone
// and of one among n.
func faster(alone, beside time.Duration, n int) int {
	if beside/time.Duration(n) < alone {
		return n
	}
	return 1
}

// timeOf adds up a run: it evaluates before the first step and, in training mode,
// after the last, too.
func timeOf(t train.Cost, c runlog.Config) time.Duration {
	probes, evaluations := 0, 3+(c.Steps-1)/c.EvalEvery
	if c.ProbeEvery > 0 {
		probes = 2 + c.Steps/c.ProbeEvery
	}
	all := t.Setup
	for _, part := range []time.Duration{
		times(c.Steps, t.Step), times(probes, t.Probe), times(evaluations, t.Evaluation),
	} {
		all = plus(all, part)
	}
	return all
}

// times returns n·d, or the longest Duration, 292 years, if that is less.
func times(n int, d time.Duration) time.Duration {
	if d > 0 && int64(n) > math.MaxInt64/int64(d) {
		return math.MaxInt64
	}
	return time.Duration(n) * d
}

// plus returns a + b, or the longest Duration if that is less.
func plus(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// measure takes the mean cost of runs of one kind, jobs of them side by side.
func (l *Lab) measure(ctx context.Context, c runlog.Config, jobs int) (mean train.Cost, err error) {
	share(jobs)
	costs, errs := make([]train.Cost, jobs), make([]error, jobs)
	var runs sync.WaitGroup
	for i := range jobs {
		runs.Go(func() { costs[i], errs[i] = train.Trial(ctx, c, l.Text) })
	}
	runs.Wait()
	for i, t := range costs {
		if errs[i] != nil {
			return mean, errs[i]
		}
		n := time.Duration(jobs)
		mean.Setup += t.Setup / n
		mean.Step += t.Step / n
		mean.Probe += t.Probe / n
		mean.Evaluation += t.Evaluation / n
	}
	return mean, nil
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
