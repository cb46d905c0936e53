package export

import (
	"io"
	"testing"

	"gorgonorm/internal/hostile"
	"gorgonorm/runlog"
)

// TestNoPanics calls every exported function and method with what nobody means to give.
func TestNoPanics(t *testing.T) {
	t.Chdir(t.TempDir()) // some of the paths are names of files to write
	r := runlog.Run{Config: runlog.Config{Norm: "rms"}, Steps: []runlog.Step{{Step: 1}}}
	hostile.Test(t, hostile.Package{
		Functions: map[string]any{"TensorBoard": TensorBoard, "Find": Find, "TableOf": TableOf},
		Values:    []any{r, Measures[0], Measures[len(Measures)-1], TableOf([]runlog.Run{r}, Measures), io.Discard},
		Tries:     100,
	})
}
