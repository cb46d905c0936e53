package report

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"gorgonorm/report/internal/runtest"
	"gorgonorm/runlog"
)

func TestCompare(t *testing.T) {
	t.Parallel()
	a, b := runtest.Noisy("layer", 1), runtest.Noisy("layer", 1)
	b.Config.LR = 0.01
	b.Config.Data = "/another/place/Isaac.Newton-Opticks.txt"
	shared, differ := compare([]runlog.Run{a, b})
	assert.Equal(t, []setting{{"lr", []string{"0.001", "0.01"}}}, differ)
	assert.Contains(t, shared, setting{"data", []string{"Isaac.Newton-Opticks.txt"}})
	assert.Contains(t, shared, setting{"vocabulary", []string{"29 characters"}})
	assert.Contains(t, shared, setting{"data sha256", []string{"0123456789ab"}})
}

func TestNames(t *testing.T) {
	t.Parallel()
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
		{
			"one setting", []runlog.Run{run("rms", lr(0.1)), run("none", keep), run("rms", lr(0.01))},
			[]string{"rms, lr 0.1", "none", "rms, lr 0.01"},
		},
		{"twice the same", []runlog.Run{run("rms", keep), run("rms", keep)}, []string{"rms (1)", "rms (2)"}},
		{
			"many settings", []runlog.Run{run("rms", keep), run("rms", many)},
			[]string{"rms, lr 0.001, seed 1", "rms, lr 1, seed 2"},
		},
		{
			"settings beside the axes", []runlog.Run{run("rms", keep), run("rms", long)},
			[]string{"rms, steps 200", "rms, steps 60"},
		},
		{
			"the same cell twice", []runlog.Run{run("rms", lr(0.1)), run("rms", lr(0.1)), run("rms", keep)},
			[]string{"rms (1)", "rms (2)", "rms (3)"},
		},
		{
			"three settings beside them", []runlog.Run{run("rms", keep), run("rms", other)},
			[]string{"rms (1)", "rms (2)"},
		},
		{
			"a placement", []runlog.Run{run("layer", keep), run("layer", post), run("none", keep)},
			[]string{"layer pre", "layer post", "none pre"},
		},
		{"qk-norm", []runlog.Run{run("layer", keep), run("layer", qk)}, []string{"layer", "layer qk"}},
		{"shared by all", []runlog.Run{run("layer", post), run("rms", post)}, []string{"layer", "rms"}},
		{"a grid", []runlog.Run{
			runtest.Cell("layer", "post", true, 0.01, 2, 2),
			runtest.Cell("layer", "post", true, 0.01, 1, 2),
			runtest.Cell("layer", "pre", false, 0.01, 1, 2),
			runtest.Cell("layer", "pre", false, 0.1, 1, 2),
		}, []string{"layer post qk, seed 2", "layer post qk, seed 1", "layer pre, lr 0.01", "layer pre, lr 0.1"}},
	} {
		assert.Equal(t, c.want, names(c.runs), c.name)
	}
}
