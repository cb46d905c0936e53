package report

import (
	"image/color"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/report/internal/runtest"
	"gorgonorm/runlog"
)

// TestLossMap: each cell says its loss or how it was lost, and losses that are lower are darker.
func TestLossMap(t *testing.T) {
	t.Parallel()
	runs := join(
		runtest.Plain("none", map[float64][]runlog.Float{0.001: {2, 2.2}, 0.01: {inf, 2}, 0.1: {inf, inf}}),
		runtest.Plain("layer", map[float64][]runlog.Float{0.001: {3, 3}, 0.01: {2, 2}}),
	)
	last := &runs[len(runs)-1]
	for i := range runs {
		if r := &runs[i]; r.Config.Norm == "layer" && r.Config.LR == 0.01 {
			last = r
		}
	}
	last.Steps[30].Loss = 50
	s, err := summarize(runlog.Records{Runs: runs})
	require.NoError(t, err)
	m, ok := s.lossMap()
	require.True(t, ok)
	assert.Equal(t, []string{"0.001", "0.01", "0.1"}, m.Rates)
	assert.Equal(t, [2]string{"2.000", "3.000"}, [2]string{m.Best, m.Top})
	none, layer := m.Rows[0].Cells, m.Rows[1].Cells
	assert.Equal(t, []string{"", "1/2", "all"}, []string{none[0].Diverged, none[1].Diverged, none[2].Diverged})
	assert.Equal(t, "2.100", none[0].Loss)
	assert.Equal(t, "none at a learning rate of 0.001: 2 runs, validation loss 2.100 (2.000 to 2.200).", none[0].Explain)
	assert.Equal(t, "none at a learning rate of 0.1: 2 runs, of which 2 diverged.", none[2].Explain)
	assert.Empty(t, none[1].Style, "what diverged has no colour")
	assert.True(t, layer[1].Unstable, "its loss exploded")
	assert.False(t, layer[0].Unstable)
	assert.True(t, layer[2].Missing)
	assert.Contains(t, layer[1].Style, css(shade(1)), "the best")
	assert.Contains(t, layer[0].Style, css(shade(0)), "the worst")
	assert.Equal(t, "✕ diverged; ✕ 1/2: so many of the seeds diverged; ! unstable, though it did not diverge", m.Signs)
}

// TestTextOnTheScaleOfColours has a contrast of 4.5 : 1 or more (WCAG 2.2), and the scale falls in
// lightness.
func TestTextOnTheScaleOfColours(t *testing.T) {
	t.Parallel()
	contrast := func(a, b color.NRGBA) float64 {
		la, lb := luminance(a), luminance(b)
		return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
	}
	for i := range 1001 {
		at := shade(float64(i) / 1000)
		assert.GreaterOrEqual(t, contrast(at, inkOn(at)), 4.5, i)
		assert.LessOrEqual(t, luminance(at), luminance(shade(float64(i-10)/1000)), i) // bytes round
	}
}

// TestWhatDivergedIsNotBest of a column, though its best loss before was the lowest.
func TestWhatDivergedIsNotBest(t *testing.T) {
	t.Parallel()
	lost, fine := runtest.Noisy("none", 1), runtest.Noisy("layer", 3)
	lost.Summary.DivergedAt, lost.Summary.Divergence = 300, runlog.NonFinite
	require.Less(t, lost.Summary.BestVal, fine.Summary.BestVal)
	third := runtest.Noisy("rms", 4)
	s, err := summarize(runlog.Records{Runs: []runlog.Run{lost, fine, third}})
	require.NoError(t, err)
	table := s.table(true)
	for column, head := range table.Head {
		best := []bool{table.Best[0][column], table.Best[1][column], table.Best[2][column]}
		if head == "best val" || head == "last val" {
			assert.Equal(t, []bool{false, true, false}, best, head)
		} else {
			assert.NotContains(t, best, true, head)
		}
	}
}
