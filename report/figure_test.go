package report

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/report/chart"
	"gorgonorm/report/internal/runtest"
	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// TestRatePoints: the lines end at the edge where the mean is lost, and come down from it.
func TestRatePoints(t *testing.T) {
	t.Parallel()
	r := results.Of(runtest.Plain("layer", map[float64][]runlog.Float{
		0.001: {inf}, 0.01: {2}, 0.1: {3}, 1: {nan}, 10: {9}, 100: {2.5},
	}))
	const edge = 4.0
	lines := meanLines(r.Variants[0], edge)
	marks, lost := seedMarks(r.Variants[0], edge)
	assert.Equal(t, [][]chart.Point{
		{{X: 0.001, Y: edge}, {X: 0.01, Y: 2}, {X: 0.1, Y: 3}, {X: 1, Y: edge}},
		{{X: 10, Y: edge}, {X: 100, Y: 2.5}},
	}, lines)
	assert.Equal(t, []chart.Point{{X: 0.01, Y: 2}, {X: 0.1, Y: 3}, {X: 100, Y: 2.5}}, marks)
	assert.Equal(t, []runlog.Float{0.001, 1, 10}, lost)
}

func TestStyles(t *testing.T) {
	t.Parallel()
	kind := func(norm, placement string, qk bool) results.Kind {
		return results.Kind{Norm: norm, Placement: placement, QK: qk}
	}
	s := styles([]results.Kind{
		kind("layer", "pre", false), kind("layer", "post", true), kind("rms", "pre", false), kind("rms", "post", true),
	})
	assert.Equal(t, s[0].Color, s[1].Color, "a norm")
	assert.NotEqual(t, s[0].Color, s[2].Color, "two norms")
	assert.Equal(t, s[0].Pattern, s[2].Pattern, "a placement")
	assert.Equal(t, s[1].Pattern, s[3].Pattern, "a placement")
	assert.NotEqual(t, s[0].Pattern, s[1].Pattern, "two placements")

	layer, none := kind("layer", "pre", false), kind("none", "pre", false)
	two := summary{Results: results.Results{Variants: []results.Variant{{Kind: layer}, {Kind: none}}}}
	assert.Equal(
		t, []chart.Style{{Color: 2, Pattern: 2}, {Color: 2, Pattern: 3}, {Color: 0, Pattern: 0}},
		two.stylesOf([]results.Kind{layer, layer, none}), "two runs of a variant",
	)
}

// TestVariantWithoutRunsKeepsItsStyle: a variant whose runs were all interrupted has the
// style of its norm.
func TestVariantWithoutRunsKeepsItsStyle(t *testing.T) {
	t.Parallel()
	losses := map[float64][]runlog.Float{0.01: {2}, 0.1: {3}}
	interrupted := runtest.Plain("layer", losses)
	for i := range interrupted {
		interrupted[i].Summary.Interrupted = true
	}
	s, err := summarize(runlog.Records{Runs: join(interrupted, runtest.Plain("none", losses))})
	require.NoError(t, err)
	f, ok := s.rateFigure()
	require.True(t, ok)
	require.Len(t, f.Series, 2)
	assert.Equal(t, "layer", f.Series[1].Label)
	assert.Equal(t, chart.Style{Color: 2, Pattern: 2}, f.Series[1].Style)
}

// TestEveryNormHasAStyle of its own, and other norms have a colour.
func TestEveryNormHasAStyle(t *testing.T) {
	t.Parallel()
	require.Greater(t, chart.Colors, len(runlog.Norms),
		"chart has no colour for a norm of runlog.Norms and one for other norms: add one to its colors")
	require.GreaterOrEqual(t, chart.Patterns, len(runlog.Norms),
		"a norm of runlog.Norms has another's pattern: add to dashes and glyphs of package chart")
}

func TestCaptionsOfViews(t *testing.T) {
	t.Parallel()
	captions := map[string]string{}
	for _, v := range views {
		captions[v.Title] = v.Caption
	}
	assert.Contains(t, captions["Drift of the norms' inputs"], "QKNorms included")
	assert.Contains(t, captions["BatchNorm's means"], "before the step")
}

// TestSVG: the figure of losses by learning rate is a file of its own, if there are two rates.
func TestSVG(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	written, err := SVG(&b, runlog.Records{Runs: runtest.Grid()})
	require.NoError(t, err)
	require.True(t, written)
	require.NoError(t, wellFormed(b.String()))
	has(t, b.String(), "layer pre qk</text>", ">0.001</text>")

	b.Reset()
	written, err = SVG(&b, runlog.Records{Runs: runtest.OneEach()})
	require.NoError(t, err)
	require.False(t, written)
	require.Zero(t, b.Len())
	_, err = SVG(full{}, runlog.Records{Runs: runtest.Grid()})
	require.ErrorIs(t, err, errFull)
	_, err = SVG(&b, runlog.Records{})
	require.EqualError(t, err, "report: no runs")
}
