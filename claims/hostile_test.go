package claims

import (
	"testing"

	"gorgonorm/internal/hostile"
)

// TestNoPanics calls every exported function and method with what nobody means to give. Claims are not
// measured: the context ends before.
func TestNoPanics(t *testing.T) {
	t.Chdir(t.TempDir()) // some of the paths are names of files to write
	o := Options{Out: "out", Only: []string{"sphere"}, Seed: 1, Seeds: 2, Quick: true, Jobs: 1}
	hostile.Test(t, hostile.Package{
		Functions: map[string]any{"Select": Select, "Names": Names, "Run": Run},
		Values:    []any{Judgement{}, o, Progress{}, Interval{}},
		Tries:     20, Most: 20,
	})
}
