package report

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/runlog"
)

// one is the only variant of the runs.
func one(t *testing.T, runs []runlog.Run) variant {
	t.Helper()
	s, err := summarize(runs)
	require.NoError(t, err)
	require.Len(t, s.Variants, 1)
	return s.Variants[0]
}

// plain are runs of one norm, pre-norm, by learning rate, then seed from 1.
func plainRuns(norm string, losses map[float64][]runlog.Float) (runs []runlog.Run) {
	for lr, bySeed := range losses {
		for i, l := range bySeed {
			runs = append(runs, cell{norm, "pre", false, lr, uint64(i + 1), l}.run())
		}
	}
	return runs
}

func TestVariantByRateAndSeed(t *testing.T) {
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
			v := one(t, plainRuns("layer", c.losses))
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

// A run that was not finite, or that the watchdog stopped, has no loss, even where
// its last validation was finite.
func TestLostRunHasNoLoss(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps int
		how   runlog.Divergence
		want  runlog.Float
	}{
		{"to its end", 20, "", 4.5},
		{"stopped", 15, "", nan},
		{"no better than its start", 20, runlog.NotLearning, 4.5},
		{"stopped for it", 15, runlog.NotLearning, nan},
		{"not finite, stopped", 15, runlog.NonFinite, nan},
		{"not finite, and no watchdog", 20, runlog.NonFinite, nan},
	} {
		r := cell{"layer", "pre", false, 0.1, 1, 2}.run()
		s := &r.Summary
		s.Steps, s.Divergence, s.LastVal, s.TrainModeVal = c.steps, c.how, 4.5, 4.25
		v := one(t, []runlog.Run{r})
		for what, f := range map[string]struct{ got, want runlog.Float }{
			"loss": {final(row{Run: r}), c.want},
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
	runs := plainRuns("layer", map[float64][]runlog.Float{0.01: {2, 2, 2}, 0.1: {inf, 5}})
	sorted := sorted(runs)
	for i, m := range []runlog.Summary{
		{MedianGradNorm: 1, MaxGradNorm: 9, GradNormCV: 0.1, LossSpikes: 0.01, GradSpikes: 0.1, LastVal: 2, TrainModeVal: 1.5},
		{MedianGradNorm: 2, MaxGradNorm: 8, GradNormCV: 0.2, LossSpikes: 0.03, GradSpikes: 0.2, LastVal: 2, TrainModeVal: 1.8},
		{MedianGradNorm: 7, MaxGradNorm: 7, GradNormCV: nan, LossSpikes: nan, GradSpikes: nan, LastVal: 2, TrainModeVal: 2.4},
		{MedianGradNorm: inf, MaxGradNorm: 6, GradNormCV: 0.5, LossSpikes: 0.05, GradSpikes: 0.6, LastVal: nan, TrainModeVal: nan},
		{MedianGradNorm: nan, MaxGradNorm: 5, GradNormCV: 0.6, LossSpikes: 0.07, GradSpikes: 0.1, LastVal: 5, TrainModeVal: nan},
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
	assert.Len(t, v.Rows, 5)

	sorted[1].Summary.MaxGradNorm = inf
	assert.Equal(t, inf, one(t, sorted).MaxGradNorm)
	sorted[1].Summary.MaxGradNorm = nan
	assert.False(t, one(t, sorted).MaxGradNorm.Finite(), "a NaN counts")
	sorted[0].Summary.SpikeWindow = 0 // not measured
	assert.InDelta(t, 0.05, float64(one(t, sorted).LossSpikes), 1e-12)
}

func TestInterruptedRunsTakeNoPart(t *testing.T) {
	runs := plainRuns("layer", map[float64][]runlog.Float{0.01: {2, 2.2}, 0.1: {1, 1.1}})
	for i := range runs {
		if runs[i].Config.LR == 0.1 {
			runs[i].Summary.Interrupted, runs[i].Summary.Steps = true, 7
		}
	}
	s, err := summarize(runs)
	require.NoError(t, err)
	v := s.Variants[0]
	assert.Equal(t, []runlog.Float{2, 2.2}, v.Lowest)
	assert.Len(t, v.Rows, 2)
	assert.Contains(t, s.Notes, `"layer, lr 0.1, seed 1" was stopped at step 7 of 20 and takes no part in what is measured.`)
	assert.Contains(t, s.Notes, `"layer": 2 of 4 runs are there; its measures are over fewer rates or seeds.`)

	for i := range runs {
		runs[i].Summary.Interrupted = true
	}
	assert.Equal(t, `"layer" left no run that came to its end.`, divergence([]variant{one(t, runs)}))
}

func TestPlaces(t *testing.T) {
	runs := runsOf(
		cell{"none", "pre", false, 0.1, 1, inf}, cell{"none", "pre", false, 0.1, 2, inf},
		cell{"batch", "pre", false, 0.1, 1, 2.5}, cell{"batch", "pre", false, 0.1, 2, 2.6},
		cell{"layer", "pre", false, 0.1, 1, 2}, cell{"layer", "pre", false, 0.1, 2, 2.2},
		cell{"rms", "pre", false, 0.1, 1, 2.1}, cell{"rms", "pre", false, 0.1, 2, 2.3},
		cell{"other", "pre", false, 0.1, 1, 1},
	)
	s, err := summarize(runs)
	require.NoError(t, err)
	var places []runlog.Place
	for _, v := range s.Variants {
		places = append(places, v.Place)
		assert.Zero(t, v.SensitivityPlace, "of one rate")
	}
	single := func(n int) runlog.Place { return runlog.Place{Best: n, Worst: n} }
	shared := runlog.Place{Best: 1, Worst: 2}
	assert.Equal(t, []runlog.Place{single(4), single(3), shared, shared, {}}, places)
	assert.Contains(t, s.Notes, "Place: from one more than the number of variants all of whose seeds are lower, to the number of all less those all of whose seeds are higher; a variant with fewer than two seeds has none, and counts for none.")
	assert.Contains(t, s.Notes, "With 2 seeds each, two variants that do not differ come apart by chance, in one order or the other, in 33 % of cases. That is for each pair: among many pairs some come apart by chance.")
	assert.Contains(t, s.Verdict[2], "Of two variants that do not differ, one comes before the other by chance in 33 % of cases.")

	s, err = summarize(runsOf(cell{"layer", "pre", false, 0.1, 1, 2}, cell{"layer", "pre", false, 1, 1, 2}, cell{"rms", "pre", false, 0.1, 1, 1}, cell{"rms", "pre", false, 1, 1, 1}))
	require.NoError(t, err)
	assert.Zero(t, s.Variants[0].Place)
	assert.Zero(t, s.Variants[1].Place)
	assert.Contains(t, s.Notes, "No places: it takes two variants with two seeds each to tell a difference.")
	assert.NotContains(t, strings.Join(s.Verdict, " "), "by chance")
}

// A mean over other learning rates is no lower or higher: it does not compare.
func TestPlacesBySensitivityOverTheSameRates(t *testing.T) {
	few := "by LR sensitivity, a seed without a run at each of the learning rates does not count"
	sensitivities := func(runs []runlog.Run) (places []runlog.Place, said, noted string) {
		s, err := summarize(runs)
		require.NoError(t, err)
		for _, v := range s.Variants {
			places = append(places, v.SensitivityPlace)
		}
		return places, s.Verdict[2], strings.Join(s.Notes, " ")
	}
	three := func(norm string, top runlog.Float) []runlog.Run {
		return plainRuns(norm, map[float64][]runlog.Float{0.01: {2, 2}, 0.1: {2.5, 2.6}, 1: {top, top + 0.1}})
	}
	two := plainRuns("batch", map[float64][]runlog.Float{0.01: {2, 2}, 0.1: {2.1, 2.2}})
	other := plainRuns("batch", map[float64][]runlog.Float{0.01: {2, 2}, 0.1: {2.1, 2.2}, 2: {2, 2}})

	places, said, noted := sensitivities(join(three("batch", 3), three("layer", 4), three("rms", 3.5)))
	assert.Equal(t, []runlog.Place{{Best: 1, Worst: 1}, {Best: 3, Worst: 3}, {Best: 2, Worst: 2}}, places)
	assert.Equal(t, `By LR sensitivity: "batch" before "rms" before "layer".`, said)
	assert.NotContains(t, noted, few)

	places, said, noted = sensitivities(join(two, three("layer", 4), three("rms", 3.5)))
	assert.Equal(t, []runlog.Place{{}, {Best: 2, Worst: 2}, {Best: 1, Worst: 1}}, places)
	assert.Equal(t, `By LR sensitivity: "rms" before "layer"; no place for "batch".`, said)
	assert.Contains(t, noted, few)

	places, said, _ = sensitivities(join(three("layer", 4), three("rms", 3.5), other, three("none", 3)))
	assert.Equal(t, []runlog.Place{{Best: 1, Worst: 1}, {}, {Best: 3, Worst: 3}, {Best: 2, Worst: 2}}, places)
	assert.Equal(t, `By LR sensitivity: "none" before "rms" before "layer"; no place for "batch".`, said)

	places, said, noted = sensitivities(join(three("batch", 3)[:5], three("layer", 4), three("rms", 3.5))) // a seed lacks a rate
	assert.Equal(t, []runlog.Place{{}, {Best: 2, Worst: 2}, {Best: 1, Worst: 1}}, places)
	assert.Equal(t, `By LR sensitivity: "rms" before "layer"; no place for "batch".`, said)
	assert.Contains(t, noted, few)
}

func TestSpikeNote(t *testing.T) {
	rows := func(windows ...int) (rs []row) {
		for _, w := range windows {
			rs = append(rs, row{Run: runlog.Run{Summary: runlog.Summary{SpikeWindow: w}}})
		}
		return rs
	}
	const start = "Spikes, of the loss / of the gradient norm: share of values at least 7 standard deviations from the mean of the "
	for _, c := range []struct {
		rows []row
		want string
	}{
		{rows(50, 50), start + "50 values before them; runs of this length are too short for OLMo 2's 1000."},
		{rows(75, 50), start + "50 to 75 values before them, by the length of the run; runs of this length are too short for OLMo 2's 1000."},
		{rows(1000), start + "1000 values before them."},
		{rows(0, 50), start + "50 values before them; runs of this length are too short for OLMo 2's 1000; the shortest are too short for any."},
		{rows(0), "Spikes are not measured: the runs are too short."},
	} {
		assert.Equal(t, c.want, spikeNote(c.rows))
	}
}

func TestOrigins(t *testing.T) {
	runs := plainRuns("none", map[float64][]runlog.Float{0.01: {2, 2}, 0.1: {inf, inf}, 1: {inf, inf}})
	said := func() []string {
		s, err := summarize(runs)
		require.NoError(t, err)
		return origins(s)
	}
	const head = "Where the first value of a run that is not finite arose:"
	assert.Equal(t, []string{head, `"none", lr 0.1 and 1: "GELU transformer.h.0.mlp.gelu forward: +Inf" at step 12 (4 runs)`}, said())

	for i := range runs {
		if s := &runs[i].Summary; runs[i].Config.LR == 1 && runs[i].Config.Seed == 2 {
			s.NonFinite, s.DivergedAt = "softmax: NaN", 5
		} else if runs[i].Config.LR == 1 {
			s.DivergedAt = 3
		}
	}
	assert.Equal(t, []string{
		head,
		`"none", lr 0.1 and 1: "GELU transformer.h.0.mlp.gelu forward: +Inf" at steps 3 to 12 (3 runs)`,
		`"none", lr 1: "softmax: NaN" at step 5`,
	}, said())

	runs = plainRuns("none", map[float64][]runlog.Float{1: {inf, inf, inf, inf, inf, inf, inf, inf, inf, inf}})
	for i := range runs {
		runs[i].Summary.NonFinite = string(rune('a' + i))
	}
	lines := said()
	assert.Len(t, lines, 10)
	assert.Equal(t, `"none": "a" at step 12`, lines[1])
	assert.Equal(t, "and 2 more.", lines[9])
}
