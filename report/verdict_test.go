package report

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"gorgonorm/report/internal/runtest"
	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

func TestStability(t *testing.T) {
	fine := runlog.Summary{Steps: 9, FirstLoss: 4, LastLoss: 2}
	worse := runlog.Summary{Steps: 9, FirstLoss: 4, LastLoss: 5}
	exploded := runlog.Summary{Steps: 9, FirstLoss: 4, LastLoss: nan, DivergedAt: 9}
	stuck := runlog.Summary{Steps: 9, FirstLoss: 4, LastLoss: 5, DivergedAt: 9, Divergence: runlog.NotLearning}
	stopped := runlog.Summary{Steps: 5, FirstLoss: 4, LastLoss: 2, Interrupted: true}
	for want, s := range map[string][]runlog.Summary{
		`"none" stayed stable.`:     {fine},
		`All 2 runs stayed stable.`: {fine, fine},
		`"none" and "layer" stayed stable; "batch" diverged at step 9.`: {fine, exploded, fine},
		`"none" diverged: at step 9 it was no better than its start.`:   {stuck},
		`"none" did not diverge, but ended above the first loss.`:       {worse},
		`"none" stayed stable until stopped at step 5.`:                 {stopped},
		`"none" took no step; "batch" left no finite loss to judge by.`: {{}, {Steps: 2, FirstLoss: nan, LastLoss: nan}},
	} {
		assert.Equal(t, want, stability(rowsOf(s)))
	}

	clipped := rowsOf([]runlog.Summary{fine})
	clipped[0].Steps = []runlog.Step{{Step: 1, Loss: 4}, {Step: 2, Loss: 2e8}, {Step: 3, Loss: nan}, {Step: 9, Loss: 2}}
	assert.Equal(t, `"none" did not diverge, but the loss rose to 2e+08 at step 2.`, stability(clipped))
}

func TestBest(t *testing.T) {
	val := func(vs ...runlog.Float) (ss []runlog.Summary) {
		for _, v := range vs {
			ss = append(ss, runlog.Summary{BestVal: v})
		}
		return ss
	}
	diverged := val(1.5, 1.25)
	diverged[1].DivergedAt = 7
	for want, s := range map[string][]runlog.Summary{
		`No run has a validation loss.`:                                                                                              val(nan, runlog.Float(math.Inf(1))),
		`The only validation loss, 1.500 nats per token at best, is that of "batch".`:                                                val(nan, 1.5),
		`The lowest best validation loss, 1.250 nats per token, is that of "batch"; next is "none" with 1.500.`:                      val(1.5, 1.25),
		`The lowest best validation loss, 1.250 nats per token, is that of "batch" (before it diverged); next is "none" with 1.500.`: diverged,
		`The lowest best validation loss, 1.250 nats per token, is that of "layer" and "none"; next is "batch" with 1.300.`:          val(1.2501, 1.3, 1.25),
		`The lowest best validation loss, 1.250 nats per token, is that of "none" and "batch".`:                                      val(1.25, 1.25),
	} {
		assert.Equal(t, want, bestOf(s))
	}
}

func TestCaveat(t *testing.T) {
	run := func(seed uint64, hash string) runlog.Run {
		return runlog.Run{Config: runlog.Config{Seed: seed, DataSHA256: hash}}
	}
	caveat := func(runs ...runlog.Run) string { return summary{Results: results.Results{Runs: runs}}.caveat() }
	assert.Contains(t, caveat(run(1, "a"), run(1, "a")), "One seed")
	assert.Contains(t, caveat(run(1, "a"), run(2, "a")), "2 seeds")
	assert.Contains(t, caveat(run(1, "a"), run(1, "b")), "different texts")
}

// bestOf is the sentence about the best of runs with the summaries.
func bestOf(ss []runlog.Summary) string {
	s := summary{Rows: rowsOf(ss)}
	for _, r := range s.Rows {
		s.Runs = append(s.Runs, r.Run)
	}
	return s.best()
}

// rowsOf names the summaries as the norms are named, in their order.
func rowsOf(ss []runlog.Summary) (rows []row) {
	for i, s := range ss {
		rows = append(rows, row{runlog.Norms[i], runlog.Run{Summary: s}})
	}
	return rows
}

func TestNames(t *testing.T) {
	run := func(norm string, change func(*runlog.Config)) runlog.Run {
		c := runtest.Config
		c.Norm = norm
		change(&c)
		return runlog.Run{Config: c}
	}
	keep := func(*runlog.Config) {}
	lr := func(v float64) func(*runlog.Config) { return func(c *runlog.Config) { c.LR = v } }
	long := func(c *runlog.Config) { c.Steps = 60 }
	post := func(c *runlog.Config) { c.Placement = "post" }
	qk := func(c *runlog.Config) { c.QKNorm = true }
	other := func(c *runlog.Config) { c.Steps, c.Batch, c.Layers = 60, 3, 2 }
	many := func(c *runlog.Config) { c.LR, c.Seed, c.Batch = 1, 2, 3 }
	for _, c := range []struct {
		name string
		runs []runlog.Run
		want []string
	}{
		{"one a norm", []runlog.Run{run("rms", keep), run("none", keep)}, []string{"rms", "none"}},
		{"no norm", []runlog.Run{{}}, []string{"unnamed"}},
		{"one setting", []runlog.Run{run("rms", lr(0.1)), run("none", keep), run("rms", lr(0.01))}, []string{"rms, lr 0.1", "none", "rms, lr 0.01"}},
		{"twice the same", []runlog.Run{run("rms", keep), run("rms", keep)}, []string{"rms (1)", "rms (2)"}},
		{"many settings", []runlog.Run{run("rms", keep), run("rms", many)}, []string{"rms, lr 0.001, seed 1", "rms, lr 1, seed 2"}},
		{"settings beside the axes", []runlog.Run{run("rms", keep), run("rms", long)}, []string{"rms, steps 200", "rms, steps 60"}},
		{"the same cell twice", []runlog.Run{run("rms", lr(0.1)), run("rms", lr(0.1)), run("rms", keep)}, []string{"rms (1)", "rms (2)", "rms (3)"}},
		{"three settings beside them", []runlog.Run{run("rms", keep), run("rms", other)}, []string{"rms (1)", "rms (2)"}},
		{"a placement", []runlog.Run{run("layer", keep), run("layer", post), run("none", keep)}, []string{"layer pre", "layer post", "none pre"}},
		{"qk-norm", []runlog.Run{run("layer", keep), run("layer", qk)}, []string{"layer", "layer qk"}},
		{"shared by all", []runlog.Run{run("layer", post), run("rms", post)}, []string{"layer", "rms"}},
		{"a grid", []runlog.Run{
			runtest.Cell("layer", "post", true, 0.01, 2, 2), runtest.Cell("layer", "post", true, 0.01, 1, 2), runtest.Cell("layer", "pre", false, 0.01, 1, 2), runtest.Cell("layer", "pre", false, 0.1, 1, 2),
		}, []string{"layer post qk, seed 2", "layer post qk, seed 1", "layer pre, lr 0.01", "layer pre, lr 0.1"}},
	} {
		assert.Equal(t, c.want, names(c.runs), c.name)
	}
}
