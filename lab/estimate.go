package lab

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"time"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/host"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

// Estimate is the number of runs at a time and the time that all runs will take.
type Estimate struct {
	Jobs int // runs at a time
	Time time.Duration
}

// Estimate times a few steps of each kind of model among the runs, jobs at a time, and
// computes the time of all runs from them. A run that was stopped takes its remaining steps.
// If jobs is 0, it first measures which is faster, one run at a time on all threads or one run
// per thread.
func (l *Lab) Estimate(ctx context.Context, cs []runlog.Config, jobs int) (e Estimate, err error) {
	defer cpu.SetThreads(0)
	from, err := l.Resumable(cs)
	if err != nil {
		return e, err
	}
	e.Jobs = max(1, min(jobs, len(cs)))
	if len(cs) == 0 {
		return e, nil
	}
	if jobs == 0 {
		if e.Jobs, err = l.bestJobs(ctx, cs); err != nil {
			return e, err
		}
	}
	if err := l.checkMemory(cs, e.Jobs); err != nil {
		return e, err
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
		left := c
		left.Steps -= from[c.ID()]
		times = append(times, timeOf(costs[k], left))
	}
	e.Time = makespan(times, e.Jobs)
	return e, nil
}

// bestJobs measures whether one run at a time or one per thread is faster, and returns the
// number of runs at a time.
func (l *Lab) bestJobs(ctx context.Context, cs []runlog.Config) (int, error) {
	most := min(runtime.GOMAXPROCS(0), len(cs), l.fitting(cs))
	if most < 2 {
		return 1, nil
	}
	alone, err := l.measure(ctx, cs[0], 1)
	if err != nil {
		return 0, err
	}
	together, err := l.measure(ctx, cs[0], most)
	if err != nil {
		return 0, err
	}
	return faster(alone.Step, together.Step, most), nil
}

// fitting returns how many of the runs the memory has room for at a time, one or more.
func (l *Lab) fitting(cs []runlog.Config) int {
	have, known := host.Memory()
	if !known || l.Text == nil { // without a text there are no runs
		return math.MaxInt
	}
	largest := 0.0
	for _, c := range cs {
		largest = max(largest, train.Memory(c, len(l.Text.Vocabulary)))
	}
	return max(1, int(min(have/largest, math.MaxInt32)))
}

// checkMemory returns an error if the memory has no room for so many of the runs at a time.
func (l *Lab) checkMemory(cs []runlog.Config, jobs int) error {
	if n := l.fitting(cs); jobs > n {
		have, _ := host.Memory()
		return fmt.Errorf("lab: %d runs at a time need more than the %.3g GB of memory that there are: give -jobs %d",
			jobs, have/1e9, n)
	}
	return nil
}

// faster returns the faster number of runs at a time, 1 or n, given the time of a step of
// one run alone and of each of n runs together.
func faster(alone, together time.Duration, n int) int {
	if together/time.Duration(n) < alone {
		return n
	}
	return 1
}

// timeOf returns the time of a run. A run also evaluates before the first step and, in
// training mode, after the last.
func timeOf(t train.Cost, c runlog.Config) time.Duration {
	probes, evaluations := 0, 3+(c.Steps-1)/c.EvalEvery
	if c.ProbeEvery > 0 {
		probes = 2 + c.Steps/c.ProbeEvery
	}
	surveys := 0
	if c.LandscapeEvery > 0 {
		surveys = c.Steps / c.LandscapeEvery
	}
	all := t.Setup
	for _, part := range []time.Duration{
		times(c.Steps, t.Step), times(probes, t.Probe), times(evaluations, t.Evaluation),
		times(surveys, times(c.Layers+len(runlog.LandscapeTimes), t.Step)),
		times(c.StatisticsBatches, t.Step), // more than it takes, because no gradient is computed
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

// measure returns the mean cost of a run among jobs equal ones at the same time.
func (l *Lab) measure(ctx context.Context, c runlog.Config, jobs int) (mean train.Cost, err error) {
	divideThreads(jobs)
	costs, errs := make([]train.Cost, jobs), make([]error, jobs)
	var runs sync.WaitGroup
	for i := range jobs {
		runs.Go(func() { costs[i], errs[i] = train.MeasureCost(ctx, c, l.Text) })
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

// makespan returns the time at which the last task ends if workers take tasks in order.
func makespan(tasks []time.Duration, workers int) time.Duration {
	free := make([]time.Duration, workers)
	for _, t := range tasks {
		first := slices.Index(free, slices.Min(free))
		free[first] = plus(free[first], t)
	}
	return slices.Max(free)
}
