package report

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/report/internal/runtest"
	"gorgonorm/runlog"
)

// lossesAt returns runs of a norm with the losses at the learning rates 0.001, 0.01, ….
func lossesAt(norm string, losses ...runlog.Float) (runs []runlog.Run) {
	for i, lr := range []float64{0.001, 0.01, 0.1, 1}[:len(losses)] {
		runs = append(runs, runtest.Cell(norm, "pre", false, lr, 1, losses[i]))
	}
	return runs
}

func TestTitle(t *testing.T) {
	t.Parallel()
	unstable := lossesAt("batch", 2, 2)
	unstable[1].Steps[20].Loss = 20
	wild := lossesAt("none", 2, 2, inf)
	wild[1].Steps[20].Loss = 20
	short := lossesAt("layer", 2)
	short[0].Config.Steps = 99
	stopped := lossesAt("layer", 2)
	stopped[0].Summary.Interrupted = true
	for _, c := range []struct {
		name string
		runs []runlog.Run
		want string
	}{
		{"one run", lossesAt("layer", 2), "LayerNorm: the run stayed stable, to a validation loss of 2.000 after 100 steps"},
		{"one that diverged", lossesAt("none", inf), "No norm: the run diverged at step 12"},
		{"one that was stopped", stopped, "LayerNorm: the run stayed stable until stopped at step 100, " +
			"to a validation loss of 2.000 after 100 steps"},
		{"too short", short, "Too short to judge: runs of 99 steps, want 100 or more"},
		{
			"the answer of the default grid",
			join(lossesAt("none", 2, inf, inf), lossesAt("layer", 2, 2, 2), lossesAt("rms", 2, 2, 2)),
			"LayerNorm and RMSNorm trained stably at all 3 learning rates; without a norm training diverged from 0.01",
		},
		{
			"all stable", join(lossesAt("layer", 2, 2), lossesAt("rms", 2, 2)),
			"All 2 variants trained stably at all 2 learning rates",
		},
		{
			"all lost alike", join(lossesAt("none", inf, inf), lossesAt("rms", nan, inf)),
			"All 2 variants diverged at every learning rate",
		},
		{
			"with a gap", join(lossesAt("none", 2, inf, 2, inf), lossesAt("layer", 2, 2, 2, 2)),
			"LayerNorm trained stably at all 4 learning rates; without a norm training diverged at 0.01 and 1",
		},
		{
			"unstable but not diverged", join(unstable, lossesAt("rms", 2, 2)),
			"RMSNorm trained stably at all 2 learning rates; BatchNorm lost stability at 0.01",
		},
		{
			"unstable, and then diverged", join(wild, lossesAt("rms", 2, 2, 2)),
			"RMSNorm trained stably at all 3 learning rates; " +
				"without a norm training lost stability from 0.01 and diverged at 0.1",
		},
		{"one each", join(lossesAt("none", inf), lossesAt("layer", 2)), "LayerNorm trained stably in every run; " +
			"without a norm training diverged"},
		{
			"many kinds of loss", join(
				lossesAt("none", inf, inf), lossesAt("batch", 2, inf), lossesAt("layer", inf, 2), lossesAt("rms", 2, 2),
				lossesAt("dyt", 2, inf),
			),
			"RMSNorm trained stably at all 2 learning rates; without a norm training diverged at every learning rate; " +
				"BatchNorm and DyT diverged at 0.01; 1 other partly unstable",
		},
		{
			"many variants", join(
				lossesAt("none", inf, inf), lossesAt("batch", 2, 2), lossesAt("layer", 2, 2), lossesAt("rms", 2, 2),
				lossesAt("dyt", 2, 2),
			),
			"4 of 5 variants trained stably at all 2 learning rates; without a norm training diverged at every learning rate",
		},
	} {
		s, err := summarize(runlog.Records{Runs: c.runs})
		require.NoError(t, err, c.name)
		assert.Equal(t, c.want, s.title(), c.name)
	}
}

// planOf returns a plan of the runs and of others.
func planOf(runs []runlog.Run, more ...runlog.Planned) *runlog.Plan {
	var p runlog.Plan
	for _, r := range runs {
		p.Runs = append(p.Runs, planned(r.Config.Norm, r.Config.Placement, r.Config.LR, r.Config.Seed))
	}
	p.Runs = append(p.Runs, more...)
	return &p
}

func planned(norm, placement string, lr float64, seed uint64) runlog.Planned {
	p := runlog.Planned{Norm: norm, Placement: placement, LR: lr, Seed: seed}
	p.ID = p.Config().ID()
	return p
}

// TestUnfinishedGridClaimsNothing: what is missing is named, and nothing is judged or called best.
func TestUnfinishedGridClaimsNothing(t *testing.T) {
	t.Parallel()
	var runs []runlog.Run
	for _, norm := range []string{"layer", "rms"} {
		runs = append(runs, runtest.Plain(norm, map[float64][]runlog.Float{0.001: {2, 2.1}, 0.01: {1.8, 1.9}})...)
	}
	rateMissing := planOf(runs, planned("layer", "pre", 0.1, 1), planned("layer", "pre", 1, 1),
		planned("rms", "pre", 0.1, 1), planned("rms", "pre", 1, 1))
	for _, c := range []struct {
		name string
		plan *runlog.Plan
		want []string
	}{
		{"rates", rateMissing, []string{"8 of 12 runs are finished; missing: rates from 0.1."}},
		{
			"a rate in the middle", planOf(runs, planned("layer", "pre", 0.003, 1), planned("rms", "pre", 0.003, 1)),
			[]string{"8 of 10 runs are finished; missing: rate 0.003."},
		},
		{
			"a variant and a seed", planOf(runs, planned("none", "pre", 0.01, 1), planned("layer", "pre", 0.01, 3)),
			[]string{`8 of 10 runs are finished; missing: "none"; seed 3.`},
		},
		{
			"a single run", planOf(runs[1:], planned("layer", "pre", 0.01, 3), planned("rms", "pre", 0.001, 3),
				planned("rms", "pre", 0.01, 3)),
			[]string{"7 of 10 runs are finished; missing: seed 3."},
		},
	} {
		s, err := summarize(runlog.Records{Runs: runs, Plan: c.plan})
		require.NoError(t, err)
		assert.Equal(t, c.want, s.coverage(), c.name)
		assert.Contains(t, s.title(), "Unfinished: ", c.name)
		require.Len(t, s.Verdict, 1)
		assert.Contains(t, s.Verdict[0], "Nothing is compared: it takes all", c.name)
		table := s.table(true)
		for _, line := range table.Best {
			assert.NotContains(t, line, true, c.name)
		}
		assert.NotContains(t, table.Head, "place", c.name)
		for _, f := range s.Facts {
			assert.Equal(t, cannotBeJudged, f.Outcome, "%s: %s", c.name, f.Claim)
		}
	}
	s, err := summarize(runlog.Records{Runs: runs, Plan: planOf(runs)})
	require.NoError(t, err)
	assert.Empty(t, s.coverage(), "of a complete plan")
	assert.Contains(t, s.table(true).Head, "place")
}

// TestWhatIsTheSameIsNamed: a kind that is not run has the name of the one in whose place it stands.
func TestWhatIsTheSameIsNamed(t *testing.T) {
	t.Parallel()
	runs := []runlog.Run{
		runtest.Cell("none", "pre", false, 0.01, 1, 2), runtest.Cell("layer", "pre", false, 0.01, 1, 2),
		runtest.Cell("layer", "post", false, 0.01, 1, 2),
	}
	same := planned("none", "post", 0.01, 1)
	same.SameAs = runs[0].Config.ID()
	s, err := summarize(runlog.Records{Runs: runs, Plan: planOf(runs, same)})
	require.NoError(t, err)
	assert.Equal(t, []string{`"none pre" is run once: "none post" would compute the same.`}, s.coverage())

	// A directory of earlier times may have that run.
	runs = append(runs, runtest.Cell("none", "post", false, 0.01, 1, 2))
	s, err = summarize(runlog.Records{Runs: runs, Plan: planOf(runs[:3], same)})
	require.NoError(t, err)
	assert.Empty(t, s.coverage())
}

// TestNothingIsBestWhereAllDiverged.
func TestNothingIsBestWhereAllDiverged(t *testing.T) {
	t.Parallel()
	lost := join(lossesAt("none", 5, 1e13), lossesAt("layer", 6, 7)) // finite, and above the start
	s, err := summarize(runlog.Records{Runs: lost})
	require.NoError(t, err)
	table := s.table(true)
	for _, head := range []string{"best loss", "at lr", "LR sens.", "top lr"} {
		assert.NotContains(t, table.Head, head)
	}
	for _, line := range table.Best {
		assert.NotContains(t, line, true)
	}
	one := join(lossesAt("none", inf), lossesAt("layer", 5))
	s, err = summarize(runlog.Records{Runs: one})
	require.NoError(t, err)
	assert.Contains(t, s.Verdict, "All runs diverged, so none is best.")
}

// TestOnlyBrokenRuns: a report of broken runs or of a plan alone says so.
func TestOnlyBrokenRuns(t *testing.T) {
	t.Parallel()
	page := renderRecords(t, runlog.Records{Broken: []runlog.Broken{{Name: "layer", Reason: "it is cut short"}}})
	has(t, page, "<h1>No run has finished</h1>", "Left out: 1 broken record.", "it is cut short")
	page = renderRecords(t, runlog.Records{Plan: planOf(lossesAt("layer", 2, 2))})
	has(t, page, "<h1>Unfinished: 0 of 2 runs</h1>")
}
