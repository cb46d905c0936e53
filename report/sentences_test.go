package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/report/internal/runtest"
	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

func TestInterruptedRunsTakeNoPart(t *testing.T) {
	t.Parallel()
	runs := runtest.Plain("layer", map[float64][]runlog.Float{0.01: {2, 2.2}, 0.1: {1, 1.1}})
	for i := range runs {
		if runs[i].Config.LR == 0.1 {
			runs[i].Summary.Interrupted, runs[i].Summary.Steps = true, 7
		}
	}
	s, err := summarize(runlog.Records{Runs: runs})
	require.NoError(t, err)
	v := s.Variants[0]
	assert.Equal(t, []runlog.Float{2, 2.2}, v.Lowest)
	assert.Len(t, v.Runs, 2)
	assert.Contains(
		t, s.Notes, `"layer, lr 0.1, seed 1" was stopped at step 7 of 100 and is left out of the measures.`,
	)
	assert.Contains(t, s.Notes, `"layer" has 2 of 4 runs, so its measures cover fewer rates or seeds.`)

	for i := range runs {
		runs[i].Summary.Interrupted = true
	}
	s, err = summarize(runlog.Records{Runs: runs})
	require.NoError(t, err)
	assert.Equal(t, "No run has finished", s.title())
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	runs := []runlog.Run{
		runtest.Cell("none", "pre", false, 0.1, 1, inf), runtest.Cell("none", "pre", false, 0.1, 2, inf),
		runtest.Cell("batch", "pre", false, 0.1, 1, 2.5), runtest.Cell("batch", "pre", false, 0.1, 2, 2.6),
		runtest.Cell("layer", "pre", false, 0.1, 1, 2), runtest.Cell("layer", "pre", false, 0.1, 2, 2.2),
		runtest.Cell("rms", "pre", false, 0.1, 1, 2.1), runtest.Cell("rms", "pre", false, 0.1, 2, 2.3),
		runtest.Cell("other", "pre", false, 0.1, 1, 1),
	}
	s, err := summarize(runlog.Records{Runs: runs})
	require.NoError(t, err)
	var places []runlog.Place
	for _, v := range s.Variants {
		places = append(places, v.Place)
		assert.Zero(t, v.SensitivityPlace, "of one rate")
	}
	single := func(n int) runlog.Place { return runlog.Place{Best: n, Worst: n} }
	shared := runlog.Place{Best: 1, Worst: 2}
	assert.Equal(t, []runlog.Place{single(4), single(3), shared, shared, {}}, places)
	assert.Contains(
		t, s.Notes,
		"Place: from 1 plus the number of variants with all seeds lower, to the number of variants minus those "+
			"with all seeds higher; a variant with fewer than two seeds has no place and does not count.",
	)
	assert.Contains(
		t, s.Notes,
		"With 2 seeds each, two variants that do not differ come apart by chance, in one order or the other, in 33 % "+
			"of cases. That is for each pair: among many pairs some come apart by chance.",
	)
	assert.Contains(
		t, s.Verdict[1], "Of two variants that do not differ, one comes before the other by chance in 33 % of cases.",
	)

	s, err = summarize(runlog.Records{Runs: []runlog.Run{
		runtest.Cell("layer", "pre", false, 0.1, 1, 2), runtest.Cell("layer", "pre", false, 1, 1, 2),
		runtest.Cell("rms", "pre", false, 0.1, 1, 1), runtest.Cell("rms", "pre", false, 1, 1, 1),
	}})
	require.NoError(t, err)
	assert.Zero(t, s.Variants[0].Place)
	assert.Zero(t, s.Variants[1].Place)
	assert.Contains(t, s.Notes, "No places: they need two variants with two seeds each.")
	assert.NotContains(t, strings.Join(s.Verdict, " "), "by chance")
}

// TestPlacesBySensitivityOverTheSameRates: means over other learning rates are not
// comparable.
func TestPlacesBySensitivityOverTheSameRates(t *testing.T) {
	t.Parallel()
	few := "by LR sensitivity, a seed without a run at every learning rate does not count"
	sensitivities := func(runs []runlog.Run) (places []runlog.Place, verdict, notes string) {
		s, err := summarize(runlog.Records{Runs: runs})
		require.NoError(t, err)
		for _, v := range s.Variants {
			places = append(places, v.SensitivityPlace)
		}
		return places, s.Verdict[1], strings.Join(s.Notes, " ")
	}
	three := func(norm string, top runlog.Float) []runlog.Run {
		return runtest.Plain(norm, map[float64][]runlog.Float{0.01: {2, 2}, 0.1: {2.5, 2.6}, 1: {top, top + 0.1}})
	}
	two := runtest.Plain("batch", map[float64][]runlog.Float{0.01: {2, 2}, 0.1: {2.1, 2.2}})
	other := runtest.Plain("batch", map[float64][]runlog.Float{0.01: {2, 2}, 0.1: {2.1, 2.2}, 2: {2, 2}})

	places, verdict, notes := sensitivities(join(three("batch", 3), three("layer", 4), three("rms", 3.5)))
	assert.Equal(t, []runlog.Place{{Best: 1, Worst: 1}, {Best: 3, Worst: 3}, {Best: 2, Worst: 2}}, places)
	assert.Equal(t, `By LR sensitivity: 1 "batch", 2 "rms", 3 "layer".`, verdict)
	assert.NotContains(t, notes, few)

	places, verdict, notes = sensitivities(join(two, three("layer", 4), three("rms", 3.5)))
	assert.Equal(t, []runlog.Place{{}, {Best: 2, Worst: 2}, {Best: 1, Worst: 1}}, places)
	assert.Equal(t, `By LR sensitivity: 1 "rms", 2 "layer"; no place for "batch".`, verdict)
	assert.Contains(t, notes, few)

	places, verdict, _ = sensitivities(join(three("layer", 4), three("rms", 3.5), other, three("none", 3)))
	assert.Equal(t, []runlog.Place{{Best: 1, Worst: 1}, {}, {Best: 3, Worst: 3}, {Best: 2, Worst: 2}}, places)
	assert.Equal(t, `By LR sensitivity: 1 "none", 2 "rms", 3 "layer"; no place for "batch".`, verdict)

	withoutRate := three("batch", 3)[:5] // of a seed
	places, verdict, notes = sensitivities(join(withoutRate, three("layer", 4), three("rms", 3.5)))
	assert.Equal(t, []runlog.Place{{}, {Best: 2, Worst: 2}, {Best: 1, Worst: 1}}, places)
	assert.Equal(t, `By LR sensitivity: 1 "rms", 2 "layer"; no place for "batch".`, verdict)
	assert.Contains(t, notes, few)
}

func TestSpikeNote(t *testing.T) {
	t.Parallel()
	runs := func(windows ...int) (rs []runlog.Run) {
		for _, w := range windows {
			rs = append(rs, runlog.Run{Summary: runlog.Summary{SpikeWindow: w}})
		}
		return rs
	}
	const start = "Spikes, of the loss / of the gradient norm: " +
		"share of values at least 7 standard deviations from the mean of the "
	for _, c := range []struct {
		runs []runlog.Run
		want string
	}{
		{runs(50, 50), start + "50 values before them; runs of this length are too short for OLMo 2's 1000."},
		{
			runs(75, 50),
			start + "50 to 75 values before them, depending on the length of the run; " +
				"runs of this length are too short for OLMo 2's 1000.",
		},
		{runs(1000), start + "1000 values before them."},
		{
			runs(0, 50),
			start + "50 values before them; runs of this length are too short for OLMo 2's 1000; " +
				"the shortest are too short for any.",
		},
		{runs(0), "Spikes are not measured: the runs are too short."},
	} {
		note, err := paragraphs("spikes", results.Results{Runs: c.runs}.SpikeWindows())
		require.NoError(t, err)
		assert.Equal(t, []string{c.want}, note)
	}
}

func TestOrigins(t *testing.T) {
	t.Parallel()
	runs := runtest.Plain("none", map[float64][]runlog.Float{0.01: {2, 2}, 0.1: {inf, inf}, 1: {inf, inf}})
	const head = "Where the first value that is not finite arose:"
	origins := func() []string {
		s, err := summarize(runlog.Records{Runs: runs})
		require.NoError(t, err)
		i := slices.Index(s.Notes, head)
		require.GreaterOrEqual(t, i, 0)
		return s.Notes[i:]
	}
	assert.Equal(
		t, []string{head, `"none", lr 0.1 and 1: "GELU transformer.h.0.mlp.gelu forward: +Inf" at step 12 (4 runs)`},
		origins(),
	)

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
	}, origins())

	runs = runtest.Plain("none", map[float64][]runlog.Float{1: {inf, inf, inf, inf, inf, inf, inf, inf, inf, inf}})
	for i := range runs {
		runs[i].Summary.NonFinite = string(rune('a' + i))
	}
	lines := origins()
	assert.Len(t, lines, 10)
	assert.Equal(t, `"none": "a" at step 12`, lines[1])
	assert.Equal(t, "and 2 more.", lines[9])
}
