package report

import (
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/plotter"

	"gorgonorm/runlog"
)

// The lines of the main figure end at the edge where the mean is lost, and come
// down from it.
func TestRatePoints(t *testing.T) {
	v := one(t, plainRuns("layer", map[float64][]runlog.Float{0.001: {inf}, 0.01: {2}, 0.1: {3}, 1: {nan}, 10: {9}, 100: {2.5}}))
	edge := 4.0
	lines, marks, beyond := v.byRatePoints(frame{y: axis{hi: edge}})
	assert.Equal(t, []plotter.XYs{
		{{X: 0.001, Y: edge}, {X: 0.01, Y: 2}, {X: 0.1, Y: 3}, {X: 1, Y: edge}},
		{{X: 10, Y: edge}, {X: 100, Y: 2.5}},
	}, lines)
	assert.Equal(t, plotter.XYs{{X: 0.01, Y: 2}, {X: 0.1, Y: 3}, {X: 100, Y: 2.5}}, marks)
	assert.Equal(t, []runlog.Float{0.001, 1, 10}, beyond)
}

func TestStyles(t *testing.T) {
	look := func(cells ...cell) []style {
		var rows []row
		for _, r := range runsOf(cells...) {
			rows = append(rows, row{Run: r})
		}
		return styles(rows)
	}
	s := look(cell{"layer", "pre", false, 1, 1, 2}, cell{"layer", "post", true, 1, 1, 2}, cell{"rms", "pre", false, 1, 1, 2}, cell{"rms", "post", true, 1, 1, 2})
	assert.Equal(t, s[0].Color, s[1].Color, "a norm")
	assert.NotEqual(t, s[0].Color, s[2].Color, "two norms")
	assert.Equal(t, s[0].Dashes, s[2].Dashes, "a placement")
	assert.Equal(t, s[1].Glyph, s[3].Glyph, "a placement")
	assert.NotEqual(t, s[0].Dashes, s[1].Dashes, "two placements")
	assert.NotEqual(t, s[0].Glyph, s[1].Glyph, "two placements")

	s = look(cell{"layer", "pre", false, 1, 1, 2}, cell{"layer", "pre", false, 2, 1, 2}, cell{"none", "pre", false, 1, 1, 2})
	assert.Equal(t, style{colors[2], dashes[2], glyphs[2]}, s[0])
	assert.Equal(t, style{colors[2], dashes[3], glyphs[3]}, s[1])
	assert.Equal(t, style{colors[0], dashes[0], glyphs[0]}, s[2])
}

// TestEveryNormHasALook of its own, and other norms have a colour.
func TestEveryNormHasALook(t *testing.T) {
	t.Parallel()
	require.Greater(t, len(colors), len(runlog.Norms), "a norm of runlog.Norms has no colour: add one to colors, and one is for norms that are not there")
	require.GreaterOrEqual(t, len(dashes), len(runlog.Norms), "a norm of runlog.Norms has another's dashes: add to dashes")
	require.GreaterOrEqual(t, len(glyphs), len(runlog.Norms), "a norm of runlog.Norms has another's glyph: add to glyphs")
}

func TestMeasuresOfProbe(t *testing.T) {
	p := probed(cell{"batch", "pre", false, 1, 1, 2}.run(), []runlog.Float{1}, []runlog.Float{1, 5}).Probes[1]
	p.Norms = append(p.Norms, runlog.NormProbe{Drift: &runlog.Drift{Shift: 1.5}, Batch: &runlog.Batch{Mean: 0.3, Var: 0.4}}, runlog.NormProbe{})
	for what, c := range map[string]struct {
		of   func(runlog.Probe) runlog.Float
		want float64
	}{
		"residual": {lastResidual, 5}, "attention": {attention, 2}, "shift": {shift, 1}, "update": {updateRatio, 0.02},
		"batch mean": {batchMean, 0.2}, "batch variance": {batchVar, 0.3},
	} {
		assert.InDelta(t, c.want, float64(c.of(p)), 1e-12, what)
		assert.False(t, c.of(runlog.Probe{}).Finite(), what)
	}
}

// The probe of queries and keys is a norm among the others.
func TestProbeOfQKNorm(t *testing.T) {
	p := probed(cell{"batch", "pre", true, 1, 1, 2}.run(), []runlog.Float{1}, []runlog.Float{1, 5}).Probes[1]
	assert.Equal(t, "h.0.attn.qk_norm", p.Norms[1].Name)
	assert.EqualValues(t, 1, shift(p), "mean of 0.5 and 1.5")
	assert.EqualValues(t, 0.1, batchMean(p), "it has no running statistics")

	captions := map[string]string{}
	for _, v := range views {
		captions[v.Title] = v.Caption
	}
	assert.Contains(t, captions["Drift of the norms' inputs"], "QKNorms included")
	assert.Contains(t, captions["BatchNorm's means"], "before the step")
}

var viewBox = regexp.MustCompile(`viewBox="0 0 800 ([0-9.]+)"`)

// A legend that is longer than the figure makes it higher.
func TestLongLegend(t *testing.T) {
	height := func(variants int) float64 {
		var runs []runlog.Run
		for i := range variants {
			runs = append(runs, made("norm"+strconv.Itoa(i), i))
		}
		m := viewBox.FindStringSubmatch(svgs(t, render(t, runs), 2)[0])
		require.NotNil(t, m)
		h, err := strconv.ParseFloat(m[1], 64)
		require.NoError(t, err)
		return h
	}
	assert.EqualValues(t, minHeight, height(4))
	assert.Greater(t, height(40), 1.5*float64(minHeight))
}
