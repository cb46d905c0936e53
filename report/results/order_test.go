package results

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"gorgonorm/report/internal/runtest"
	"gorgonorm/runlog"
)

// TestVariations checks the names of runs in several orders, and their place in a report.
func TestVariations(t *testing.T) {
	t.Parallel()
	var runs []runlog.Run
	for _, order := range []string{runlog.EasyFirst, "", runlog.Blocks} {
		r := runtest.Cell("layer", "pre", false, 0.01, 1, 2)
		r.Config.Order = order
		runs = append(runs, r)
	}
	var names []string
	for _, v := range Of(runs).Variants {
		names = append(names, v.Name)
		assert.Len(t, v.Runs, 1)
	}
	assert.Equal(t, []string{"layer", "layer blocks", "layer easy-first"}, names)
	assert.Equal(t, "layer", Of(runs[:1]).Variants[0].Name, "what all runs share is no part of a name")
}

func TestOrder(t *testing.T) {
	t.Parallel()
	want := []runlog.Run{
		runtest.Cell("none", "post", false, 0.1, 1, 2),
		runtest.Cell("layer", "pre", false, 0.01, 1, 2),
		runtest.Cell("layer", "pre", false, 0.01, 2, 2),
		runtest.Cell("layer", "pre", false, 0.1, 1, 2),
		runtest.Cell("layer", "pre", true, 0.01, 1, 2),
		runtest.Cell("layer", "post", false, 0.01, 1, 2),
		runtest.Cell("layer", "peri", false, 0.01, 1, 2),
		runtest.Cell("layer", "sandwich", false, 0.01, 1, 2),
		runtest.Cell("rms", "pre", false, 0.01, 1, 2),
		runtest.Cell("alpha", "pre", false, 0.01, 1, 2),
		runtest.Cell("zeta", "pre", false, 0.01, 1, 2),
	}
	shuffled := slices.Clone(want)
	slices.Reverse(shuffled)
	shuffled[0], shuffled[4] = shuffled[4], shuffled[0]
	for i, r := range sorted(shuffled) {
		assert.Equal(t, want[i].Config, r.Config)
	}

	short, long := runtest.Cell("rms", "pre", false, 1, 1, 2), runtest.Cell("rms", "pre", false, 1, 1, 2)
	short.Config.Steps, long.Config.Steps = 60, 300
	assert.Equal(t, []runlog.Run{short, long}, sorted([]runlog.Run{long, short}), "other settings go by size")
	short.Config.Seed = 2
	assert.Equal(t, []runlog.Run{long, short}, sorted([]runlog.Run{short, long}), "the seed goes first")
}
