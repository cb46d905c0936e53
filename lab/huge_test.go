package lab

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gorgonorm/runlog"
	"gorgonorm/train"
)

// TestTheTimeOfALongRunDoesNotWrap: 292 years stand for all that is longer.
func TestTheTimeOfALongRunDoesNotWrap(t *testing.T) {
	t.Parallel()
	const long = time.Duration(math.MaxInt64)
	c := runlog.Config{Steps: math.MaxInt, EvalEvery: math.MaxInt}
	require.Equal(t, time.Duration(3), timeOf(train.Cost{Evaluation: 1}, c))
	require.Equal(t, long, timeOf(train.Cost{Step: 1 << 40}, c))
	require.Equal(t, long, timeOf(train.Cost{Setup: long, Step: 1, Probe: 1, Evaluation: 1}, runlog.Config{Steps: 25, EvalEvery: 10, ProbeEvery: 10}))
	require.Equal(t, long, makespan([]time.Duration{long, long, 3}, 1))
	require.Equal(t, long, makespan([]time.Duration{1, long - 1, 1, long}, 2))
}

// TestAShareOfAnyNumberIsWithinTheRuns.
func TestAShareOfAnyNumberIsWithinTheRuns(t *testing.T) {
	t.Parallel()
	cs := grid(4).Configs()
	require.Equal(t, cs[1:2], Shard{2, math.MaxInt}.of(cs))
	require.Empty(t, Shard{math.MaxInt, math.MaxInt}.of(cs))
	require.Equal(t, cs, Shard{}.of(cs), "0 shares are all runs")
	require.Empty(t, Shard{0, 3}.of(cs))
	require.Empty(t, Shard{math.MinInt, 3}.of(cs))
}

// TestTheTimeOfSettingsAtTheEdge is that of the steps, and of three evaluations at least.
func TestTheTimeOfSettingsAtTheEdge(t *testing.T) {
	t.Parallel()
	c := tiny("batch")
	c.Steps, c.Warmup, c.EvalEvery, c.EvalBatches, c.ProbeEvery = 3, math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt
	require.Equal(t, 3*time.Millisecond, timeOf(train.Cost{Step: time.Millisecond}, c))
	require.Equal(t, time.Duration(3), timeOf(train.Cost{Evaluation: 1}, c), "the first, the last and that in training mode")
}
