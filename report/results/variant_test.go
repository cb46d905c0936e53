package results

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/report/internal/runtest"
	"gorgonorm/runlog"
)

var inf = runtest.Inf

// one returns the only variant of the runs.
func one(t *testing.T, runs []runlog.Run) Variant {
	t.Helper()
	vs := Of(runs).Variants
	require.Len(t, vs, 1)
	return vs[0]
}

func TestVariantByRateAndSeed(t *testing.T) {
	t.Parallel()
	const d = 1e-12
	for _, c := range []struct {
		name   string
		losses map[float64][]runlog.Float
		lowest []runlog.Float
		best, bestStd, bestLR,
		sensitivity, sensitivityStd, largest runlog.Float
	}{
		{
			// Seed 1: lowest 2; min(ℓ, 4.2) − 2 is 0, 0.5 and 2.2. Seed 2: lowest 2.1; 0.1, 0 and 0.9.
			"two seeds, one lost", map[float64][]runlog.Float{0.01: {2, 2.2}, 0.1: {2.5, 2.1}, 1: {inf, 3}},
			[]runlog.Float{2, 2.1}, 2.05, 0.0707106781186548, 0.01, (0.9 + 1./3) / 2, (0.9 - 1./3) / math.Sqrt2, 0.01,
		},
		{
			"the larger rate within the tolerance", map[float64][]runlog.Float{0.01: {2}, 0.1: {2.09}, 1: {2.11}},
			[]runlog.Float{2}, 2, nan, 0.01, 0.2 / 3, nan, 0.1,
		},
		{
			"worse than the start counts as the start", map[float64][]runlog.Float{0.01: {2.2}, 0.1: {9}},
			[]runlog.Float{2.2}, 2.2, nan, 0.01, 1, nan, 0.01,
		},
		{
			"one rate", map[float64][]runlog.Float{0.01: {2, 3}},
			[]runlog.Float{2, 3}, 2.5, 0.707106781186548, 0.01, nan, nan, 0.01,
		},
		{
			"a seed without a loss", map[float64][]runlog.Float{0.01: {2, nan}, 0.1: {3, nan}},
			[]runlog.Float{2, nan}, nan, nan, nan, nan, nan, nan,
		},
		{
			"nothing finite", map[float64][]runlog.Float{0.01: {nan}, 0.1: {inf}},
			[]runlog.Float{nan}, nan, nan, nan, nan, nan, nan,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := one(t, runtest.Plain("layer", c.losses))
			near := func(want, got runlog.Float, what string) {
				if want != want { // NaN
					assert.True(t, got != got, "%s is %v, want NaN", what, got)
					return
				}
				assert.InDelta(t, float64(want), float64(got), d, what)
			}
			require.Len(t, v.Lowest, len(c.lowest))
			for i, want := range c.lowest {
				near(want, v.Lowest[i], "lowest loss")
			}
			near(c.best, v.Best, "best loss")
			near(c.bestStd, v.BestStd, "its deviation")
			near(c.bestLR, v.BestLR, "best rate")
			near(c.sensitivity, v.Sensitivity, "sensitivity")
			near(c.sensitivityStd, v.SensitivityStd, "its deviation")
			near(c.largest, v.LargestLR, "largest rate")
		})
	}
}

// TestLostRunHasNoLoss: a run that was not finite, or that the watchdog stopped, has no
// loss, even if its last validation loss was finite.
func TestLostRunHasNoLoss(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		steps int
		how   runlog.Divergence
		want  runlog.Float
	}{
		{"to its end", 100, "", 4.5},
		{"stopped", 15, "", nan},
		{"no better than its start", 100, runlog.NotLearning, 4.5},
		{"stopped for it", 15, runlog.NotLearning, nan},
		{"not finite, stopped", 15, runlog.NonFinite, nan},
		{"not finite, and no watchdog", 100, runlog.NonFinite, nan},
	} {
		r := runtest.Cell("layer", "pre", false, 0.1, 1, 2)
		s := &r.Summary
		s.Steps, s.Divergence, s.LastVal, s.TrainModeVal = c.steps, c.how, 4.5, 4.25
		v := one(t, []runlog.Run{r})
		for what, f := range map[string]struct{ got, want runlog.Float }{
			"loss": {Final(r), c.want},
			"gap":  {v.Gap, c.want - 4.25},
		} {
			if math.IsNaN(float64(f.want)) {
				assert.False(t, f.got.Finite(), "%s: %s", c.name, what)
				continue
			}
			assert.Equal(t, f.want, f.got, "%s: %s", c.name, what)
		}
	}
}

func TestVariantOverRuns(t *testing.T) {
	t.Parallel()
	runs := runtest.Plain("layer", map[float64][]runlog.Float{0.01: {2, 2, 2}, 0.1: {inf, 5}})
	sorted := sorted(runs)
	for i, m := range []runlog.Summary{
		{
			MedianGradNorm: 1, MaxGradNorm: 9, GradNormCV: 0.1, LossSpikes: 0.01, GradSpikes: 0.1, LastVal: 2,
			TrainModeVal: 1.5,
		},
		{
			MedianGradNorm: 2, MaxGradNorm: 8, GradNormCV: 0.2, LossSpikes: 0.03, GradSpikes: 0.2, LastVal: 2,
			TrainModeVal: 1.8,
		},
		{
			MedianGradNorm: 7, MaxGradNorm: 7, GradNormCV: nan, LossSpikes: nan, GradSpikes: nan, LastVal: 2,
			TrainModeVal: 2.4,
		},
		{
			MedianGradNorm: inf, MaxGradNorm: 6, GradNormCV: 0.5, LossSpikes: 0.05, GradSpikes: 0.6, LastVal: nan,
			TrainModeVal: nan,
		},
		{
			MedianGradNorm: nan, MaxGradNorm: 5, GradNormCV: 0.6, LossSpikes: 0.07, GradSpikes: 0.1, LastVal: 5,
			TrainModeVal: nan,
		},
	} {
		s := &sorted[i].Summary
		s.MedianGradNorm, s.MaxGradNorm, s.GradNormCV = m.MedianGradNorm, m.MaxGradNorm, m.GradNormCV
		s.LossSpikes, s.GradSpikes, s.LastVal, s.TrainModeVal = m.LossSpikes, m.GradSpikes, m.LastVal, m.TrainModeVal
	}
	v := one(t, sorted)
	assert.EqualValues(t, 7, v.MedianGradNorm)
	assert.EqualValues(t, 9, v.MaxGradNorm)
	assert.InDelta(t, 0.35, float64(v.GradNormCV), 1e-12)
	assert.InDelta(t, 0.04, float64(v.LossSpikes), 1e-12)
	assert.InDelta(t, 0.25, float64(v.GradSpikes), 1e-12)
	assert.InDelta(t, 0.2, float64(v.Gap), 1e-12)
	assert.Equal(t, 2, v.Diverged)
	assert.Len(t, v.Runs, 5)

	sorted[1].Summary.MaxGradNorm = inf
	assert.Equal(t, inf, one(t, sorted).MaxGradNorm)
	sorted[1].Summary.MaxGradNorm = nan
	assert.False(t, one(t, sorted).MaxGradNorm.Finite(), "a NaN counts")
	sorted[0].Summary.SpikeWindow = 0 // not measured
	assert.InDelta(t, 0.05, float64(one(t, sorted).LossSpikes), 1e-12)
}
