package results

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"gorgonorm/report/internal/runtest"
	"gorgonorm/runlog"
)

func TestCoverageWithoutAPlan(t *testing.T) {
	t.Parallel()
	c := CoverageOf(runlog.Records{Runs: []runlog.Run{runtest.Cell("layer", "pre", false, 0.01, 1, 2)}})
	assert.Equal(t, Coverage{}, c)
	assert.True(t, c.Complete())
}

// TestCommonCell: of the cells with the most stable runs it is the one with the largest rate and
// the lowest seed.
func TestCommonCell(t *testing.T) {
	t.Parallel()
	type losses = map[float64][]runlog.Float
	inf := runtest.Inf
	for _, c := range []struct {
		name        string
		none, layer losses
		want        Cell
		stable, all int
	}{
		{
			"the largest at which all are stable",
			losses{0.001: {2, 2}, 0.01: {2, 2}, 0.1: {inf, inf}}, losses{0.001: {2, 2}, 0.01: {2, 2}, 0.1: {2, 2}},
			Cell{0.01, 1}, 2, 2,
		},
		{
			"another seed, if the first is nowhere stable",
			losses{0.001: {inf, 2}, 0.01: {inf, 2}}, losses{0.001: {2, 2}, 0.01: {2, 2}}, Cell{0.01, 2}, 2, 2,
		},
		{
			"the first seed at a lower rate",
			losses{0.001: {2, 2}, 0.01: {inf, 2}}, losses{0.001: {2, 2}, 0.01: {2, 2}}, Cell{0.001, 1}, 2, 2,
		},
		{"where most are", losses{0.001: {inf}, 0.01: {inf}}, losses{0.001: {2}, 0.01: {inf}}, Cell{0.001, 1}, 1, 2},
		{"where none are", losses{0.001: {inf}, 0.01: {inf}}, losses{0.001: {inf}, 0.01: {inf}}, Cell{0.01, 1}, 0, 2},
		{"where more run", losses{0.01: {2}}, losses{0.01: {2}, 0.1: {2}}, Cell{0.01, 1}, 2, 2},
	} {
		r := Of(append(runtest.Plain("none", c.none), runtest.Plain("layer", c.layer)...))
		cell, stable, all := r.Common()
		assert.Equal(t, c.want, cell, c.name)
		assert.Equal(t, []int{c.stable, c.all}, []int{stable, all}, c.name)
	}
}
