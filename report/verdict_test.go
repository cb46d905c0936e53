package report

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"gorgonorm/train"
)

func TestStability(t *testing.T) {
	fine := train.Summary{Steps: 9, FirstLoss: 4, LastLoss: 2}
	worse := train.Summary{Steps: 9, FirstLoss: 4, LastLoss: 5}
	exploded := train.Summary{Steps: 9, FirstLoss: 4, LastLoss: nan, DivergedAt: 9}
	stuck := train.Summary{Steps: 9, FirstLoss: 4, LastLoss: 5, DivergedAt: 9, Divergence: train.NotLearning}
	stopped := train.Summary{Steps: 5, FirstLoss: 4, LastLoss: 2, Interrupted: true}
	for want, s := range map[string][]train.Summary{
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

	clipped := rowsOf([]train.Summary{fine})
	clipped[0].Steps = []train.Step{{Step: 1, Loss: 4}, {Step: 2, Loss: 2e8}, {Step: 3, Loss: nan}, {Step: 9, Loss: 2}}
	assert.Equal(t, `"none" did not diverge, but the loss rose to 2e+08 at step 2.`, stability(clipped))
}

func TestBest(t *testing.T) {
	val := func(vs ...train.Float) (ss []train.Summary) {
		for _, v := range vs {
			ss = append(ss, train.Summary{BestVal: v})
		}
		return ss
	}
	diverged := val(1.5, 1.25)
	diverged[1].DivergedAt = 7
	for want, s := range map[string][]train.Summary{
		`No run has a validation loss.`:                                                                                              val(nan, train.Float(math.Inf(1))),
		`The only validation loss, 1.500 nats per token at best, is that of "batch".`:                                                val(nan, 1.5),
		`The lowest best validation loss, 1.250 nats per token, is that of "batch"; next is "none" with 1.500.`:                      val(1.5, 1.25),
		`The lowest best validation loss, 1.250 nats per token, is that of "batch" (before it diverged); next is "none" with 1.500.`: diverged,
		`The lowest best validation loss, 1.250 nats per token, is that of "layer" and "none"; next is "batch" with 1.300.`:          val(1.2501, 1.3, 1.25),
		`The lowest best validation loss, 1.250 nats per token, is that of "none" and "batch".`:                                      val(1.25, 1.25),
	} {
		assert.Equal(t, want, best(rowsOf(s)))
	}
}

func TestCaveat(t *testing.T) {
	run := func(seed uint64, hash string) row {
		return row{Run: train.Run{Config: train.Config{Seed: seed, DataSHA256: hash}}}
	}
	assert.Contains(t, caveat([]row{run(1, "a"), run(1, "a")}), "One seed")
	assert.Contains(t, caveat([]row{run(1, "a"), run(2, "a")}), "2 seeds")
	assert.Contains(t, caveat([]row{run(1, "a"), run(1, "b")}), "different texts")
}

// rowsOf names the summaries as the norms are named, in their order.
func rowsOf(ss []train.Summary) (rows []row) {
	for i, s := range ss {
		rows = append(rows, row{norms[i], train.Run{Summary: s}})
	}
	return rows
}

func TestNames(t *testing.T) {
	run := func(norm string, change func(*train.Config)) train.Run {
		c := train.Defaults()
		c.Norm = norm
		change(&c)
		return train.Run{Config: c}
	}
	keep := func(*train.Config) {}
	lr := func(v float64) func(*train.Config) { return func(c *train.Config) { c.LR = v } }
	long := func(c *train.Config) { c.Steps = 60 }
	post := func(c *train.Config) { c.Placement = "post" }
	qk := func(c *train.Config) { c.QKNorm = true }
	other := func(c *train.Config) { c.Steps, c.Batch, c.Layers = 60, 3, 2 }
	many := func(c *train.Config) { c.LR, c.Seed, c.Batch = 1, 2, 3 }
	for _, c := range []struct {
		name string
		runs []train.Run
		want []string
	}{
		{"one a norm", []train.Run{run("rms", keep), run("none", keep)}, []string{"rms", "none"}},
		{"no norm", []train.Run{{}}, []string{"unnamed"}},
		{"one setting", []train.Run{run("rms", lr(0.1)), run("none", keep), run("rms", lr(0.01))}, []string{"rms, lr 0.1", "none", "rms, lr 0.01"}},
		{"twice the same", []train.Run{run("rms", keep), run("rms", keep)}, []string{"rms (1)", "rms (2)"}},
		{"many settings", []train.Run{run("rms", keep), run("rms", many)}, []string{"rms, lr 0.001, seed 1", "rms, lr 1, seed 2"}},
		{"settings beside the axes", []train.Run{run("rms", keep), run("rms", long)}, []string{"rms, steps 200", "rms, steps 60"}},
		{"the same cell twice", []train.Run{run("rms", lr(0.1)), run("rms", lr(0.1)), run("rms", keep)}, []string{"rms (1)", "rms (2)", "rms (3)"}},
		{"three settings beside them", []train.Run{run("rms", keep), run("rms", other)}, []string{"rms (1)", "rms (2)"}},
		{"a placement", []train.Run{run("layer", keep), run("layer", post), run("none", keep)}, []string{"layer pre", "layer post", "none pre"}},
		{"qk-norm", []train.Run{run("layer", keep), run("layer", qk)}, []string{"layer", "layer qk"}},
		{"shared by all", []train.Run{run("layer", post), run("rms", post)}, []string{"layer", "rms"}},
		{"a grid", runsOf(
			cell{"layer", "post", true, 0.01, 2, 2}, cell{"layer", "post", true, 0.01, 1, 2}, cell{"layer", "pre", false, 0.01, 1, 2}, cell{"layer", "pre", false, 0.1, 1, 2},
		), []string{"layer post qk, seed 2", "layer post qk, seed 1", "layer pre, lr 0.01", "layer pre, lr 0.1"}},
	} {
		assert.Equal(t, c.want, names(c.runs), c.name)
	}
}
