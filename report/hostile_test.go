package report

import (
	"io"
	"testing"

	"gorgonorm/internal/hostile"
	"gorgonorm/report/internal/runtest"
	"gorgonorm/runlog"
)

// TestNoPanics calls every exported function with what nobody means to give.
func TestNoPanics(t *testing.T) {
	t.Parallel()
	runs := runtest.OneEach()
	hostile.Test(t, hostile.Package{
		Functions: map[string]any{"HTML": HTML, "JSON": JSON, "SVG": SVG, "Speed": Speed, "Table": Table},
		Values: []any{
			io.Discard, runlog.Records{Runs: runs}, runs, runs[0],
			runlog.Records{Plan: &runlog.Plan{Runs: []runlog.Planned{{SameAs: "x"}}}, Broken: []runlog.Broken{{}}},
		},
		Tries: 50,
	})
}
