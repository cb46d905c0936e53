package lab

import (
	"flag"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/internal/hostile"
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

// TestNoPanics calls every exported function and method with what nobody means to give.
func TestNoPanics(t *testing.T) {
	text := corpus(t, verse)
	f := flag.NewFlagSet("lab", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	o := DefineFlags(f)
	t.Chdir(t.TempDir()) // some of the paths are names of files to write
	require.NoError(t, f.Parse([]string{"-data", text.Path, "-norms", "layer", "-lr", "1e-3", "-steps", "2",
		"-layers", "1", "-heads", "2", "-channels", "8", "-context", "8", "-batch", "2"}))
	require.NoError(t, o.Check())
	p, err := NewPlan(o)
	require.NoError(t, err)
	c := tiny("layer")
	c.Steps = 2
	hostile.Test(t, hostile.Package{
		Functions: map[string]any{"NewPlan": NewPlan},
		Spare: map[string]string{
			"DefineFlags": "package flag panics if there is no set of flags, or one that has the flags already",
		},
		Values: []any{
			c, text, o, o.Grid, p, &Lab{Text: text, Dir: "runs", Jobs: 1}, &Lab{Text: text, Dir: "runs", Jobs: -1},
			&Shard{1, 2}, &Shard{-1, 0}, &Shard{0, -3}, Estimate{Jobs: 1}, Estimate{Jobs: -1}, &never{Writer: io.Discard},
			flag.NewFlagSet("", flag.ContinueOnError), train.Interval{Steps: 1}, transformer.Pre, runlog.Step{Step: 1},
		},
		Tries: 10, Most: 20,
	})
}
