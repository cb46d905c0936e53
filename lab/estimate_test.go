package lab

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gorgonorm/internal/host"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

func TestEstimate(t *testing.T) {
	lab := Lab{Text: corpus(t, verse), Dir: t.TempDir()}
	cs := grid(200).Configs()[:8]
	for _, jobs := range []int{1, 2} {
		e, err := lab.Estimate(t.Context(), cs, jobs)
		require.NoError(t, err)
		require.Equal(t, jobs, e.Jobs)
		require.Positive(t, e.Time)
	}
	e, err := lab.Estimate(t.Context(), cs, 0)
	require.NoError(t, err)
	require.Contains(t, []int{1, runtime.GOMAXPROCS(0)}, e.Jobs)
	left, err := os.ReadDir(lab.Dir)
	require.NoError(t, err)
	require.Empty(t, left, "an estimate writes nothing")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = lab.Estimate(ctx, cs, 1)
	require.ErrorIs(t, err, context.Canceled)
}

func TestFaster(t *testing.T) {
	require.Equal(t, 4, faster(10, 39, 4), "four steps in the time of 3.9")
	require.Equal(t, 1, faster(10, 40, 4), "no gain")
}

func TestNoMoreJobsThanRuns(t *testing.T) {
	lab := Lab{Text: corpus(t, verse), Dir: t.TempDir()}
	e, err := lab.Estimate(t.Context(), grid(200).Configs()[:2], 1000)
	require.NoError(t, err)
	require.Equal(t, 2, e.Jobs)
}

// TestNoMoreJobsThanMemory has runs of which the machine can hold one, but not hundreds.
func TestNoMoreJobsThanMemory(t *testing.T) {
	t.Parallel()
	lab := Lab{Text: corpus(t, verse), Dir: t.TempDir()}
	cs := slices.Repeat(grid(200).Configs()[:1], 1000)
	have, known := host.Memory()
	if !known {
		t.Skip("the machine's memory is unknown")
	}
	for i := range cs { // larger until a few fill the memory
		for train.Memory(cs[i], 27) < have/5 {
			cs[i].Channels *= 2
		}
	}
	n := lab.fitting(cs)
	require.Positive(t, n)
	require.Less(t, n, 6)
	_, err := lab.Estimate(t.Context(), cs, 500)
	require.ErrorContains(t, err, "lab: 500 runs at a time need more than the ")
	require.ErrorContains(t, err, fmt.Sprintf("give -jobs %d", n))
}

func TestCostOfARun(t *testing.T) {
	c := runlog.Config{Steps: 25, EvalEvery: 10, ProbeEvery: 10}
	// probes at 1, 10, 20 and 25; evaluations at 0, 10, 20, 25 and in training mode
	cost := train.Cost{Setup: 1000, Step: 1, Probe: 100, Evaluation: 10}
	require.Equal(t, time.Duration(1000+25*1+4*100+5*10), timeOf(cost, c))
	c.ProbeEvery = 0
	require.Equal(t, time.Duration(25), timeOf(train.Cost{Step: 1, Probe: 100}, c))
	c.Layers, c.LandscapeEvery, c.StatisticsBatches = 3, 10, 7 // landscapes at 10 and 20, each of 3 + 4 steps
	require.Equal(t, time.Duration(25+2*7+7), timeOf(train.Cost{Step: 1}, c))
}

func TestMakespan(t *testing.T) {
	for _, c := range []struct {
		tasks   []time.Duration
		workers int
		want    time.Duration
	}{
		{[]time.Duration{3, 1, 1, 1}, 1, 6},
		{[]time.Duration{3, 1, 1, 1}, 2, 3},
		{[]time.Duration{1, 1, 1, 3}, 2, 4},
		{[]time.Duration{2}, 3, 2},
	} {
		require.Equal(t, c.want, makespan(c.tasks, c.workers))
	}
}

// TestTheTimeOfALongRunDoesNotOverflow checks that it is at most 292 years, the longest
// Duration.
func TestTheTimeOfALongRunDoesNotOverflow(t *testing.T) {
	t.Parallel()
	const long = time.Duration(math.MaxInt64)
	c := runlog.Config{Steps: math.MaxInt, EvalEvery: math.MaxInt}
	require.Equal(t, time.Duration(3), timeOf(train.Cost{Evaluation: 1}, c))
	require.Equal(t, long, timeOf(train.Cost{Step: 1 << 40}, c))
	c.LandscapeEvery, c.Layers, c.StatisticsBatches = 1, 1<<20, math.MaxInt
	require.Equal(t, long, timeOf(train.Cost{Step: 1}, c))
	c = runlog.Config{Steps: 25, EvalEvery: 10, ProbeEvery: 10}
	require.Equal(t, long, timeOf(train.Cost{Setup: long, Step: 1, Probe: 1, Evaluation: 1}, c))
	require.Equal(t, long, makespan([]time.Duration{long, long, 3}, 1))
	require.Equal(t, long, makespan([]time.Duration{1, long - 1, 1, long}, 2))
}

// TestTheTimeOfSettingsAtTheEdge has the largest settings. A run then evaluates three times.
func TestTheTimeOfSettingsAtTheEdge(t *testing.T) {
	t.Parallel()
	c := tiny("batch")
	c.Steps, c.Warmup, c.EvalEvery, c.EvalBatches, c.ProbeEvery = 3, math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt
	require.Equal(t, 3*time.Millisecond, timeOf(train.Cost{Step: time.Millisecond}, c))
	const evaluations = 3 // at the start, at the end and in training mode
	require.Equal(t, time.Duration(evaluations), timeOf(train.Cost{Evaluation: 1}, c))
}
