package chart

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestPatterns: a pattern has its own dashes and its own glyph.
func TestPatterns(t *testing.T) {
	t.Parallel()
	require.Equal(t, len(dashes), len(glyphs))
	for i := range Patterns {
		for j := range i {
			assert.NotEqual(t, dashes[i], dashes[j])
			assert.NotEqual(t, glyphs[i], glyphs[j])
		}
	}
	for i := range Colors {
		for j := range i {
			assert.NotEqual(t, light[i], light[j])
		}
	}
	again := Style{Colors + 1, Patterns + 2}
	assert.Equal(t, Style{1, 2}.color(), again.color())
	assert.Equal(t, Style{1, 2}.dashes(), again.dashes())
	assert.Equal(t, Style{1, 2}.glyph(), again.glyph())
}

func svgOf(t *testing.T, c Chart) string {
	t.Helper()
	svg, err := c.SVG()
	require.NoError(t, err)
	return svg
}

// TestLayers: series are drawn in order, lines under or over their marks, crosses last.
func TestLayers(t *testing.T) {
	t.Parallel()
	line, mark := []Point{{1, 1}, {2, 2}}, []Point{{1.5, 1.5}}
	c := Chart{
		Title: `A "title"`, X: Linear("x", 1, 2), Y: Linear("y", 1, 2), Levels: []Level{{Y: 1.2}},
		Series: []Series{
			{
				Label: "first", Style: Style{1, 2}, Band: []Span{{1, 1, 1.5}, {2, 1, 2}}, Faint: [][]Point{line},
				Lines: [][]Point{line}, Marks: mark,
			},
			{Label: "second", Style: Style{2, 0}, Lines: [][]Point{line}},
		},
		Crosses: []Cross{{Point{2, 2}, Style{3, 0}}},
	}
	const (
		grey          = "stroke:var(--level,"
		band1, faint1 = "fill:var(--series-1,", "stroke:var(--series-1,"
		line1, mark1  = "stroke-width:1.5;stroke-dasharray:4,1.5", "fill:var(--series-1,"
		line2, cross3 = "stroke:var(--series-2,", "stroke:var(--series-3,"
	)
	inOrder := func(svg string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			_, after, found := strings.Cut(svg, part)
			require.True(t, found, "no %s, or not in its place", part)
			svg = after
		}
	}
	svg := svgOf(t, c)
	inOrder(svg, `aria-label="A &#34;title&#34; by x: first; second"`, grey, band1, faint1, line1, mark1, line2, cross3)
	c.LinesOnTop = true
	inOrder(svgOf(t, c), grey, band1, faint1, mark1, line1, line2, cross3)
	c.Levels[0].Y = 3
	assert.NotContains(t, svgOf(t, c), grey, "a level outside the axis")
}

// TestLegend: an entry for each named series and each named level inside the axis.
func TestLegend(t *testing.T) {
	t.Parallel()
	c := Chart{
		X: Linear("x", 0, 1), Y: Linear("y", 0, 1),
		Levels: []Level{{"inside", 0.5}, {"outside", 2}, {"", 0.7}},
		Series: []Series{
			{Label: "a & b", Style: Style{1, 1}, Marks: []Point{}}, {Style: Style{2, 2}}, {Label: "c", Style: Style{3, 3}},
		},
	}
	entries, err := c.Legend()
	require.NoError(t, err)
	var labels []string
	for _, e := range entries {
		labels = append(labels, e.Label)
		assert.True(t, strings.HasPrefix(e.Swatch, "<svg") && strings.HasSuffix(e.Swatch, "</svg>"), e.Swatch)
	}
	assert.Equal(t, []string{"a & b", "c", "inside"}, labels)
	assert.Contains(t, entries[0].Swatch, "fill:var(--series-1,", "its mark")
	assert.NotContains(t, entries[1].Swatch, "fill:var(", "no mark")
	assert.NotContains(t, svgOf(t, c), "a & b</text>", "the drawing has no legend")
}

// TestFile: a file of its own has white paper, plain colours and the legend.
func TestFile(t *testing.T) {
	t.Parallel()
	c := Chart{X: Linear("x", 0, 1), Y: Linear("y", 0, 1), Series: []Series{{Label: "a label", Style: Style{1, 1}}}}
	svg, err := c.File()
	require.NoError(t, err)
	for _, part := range []string{"fill:#FFFFFF", "a label</text>", "stroke:" + hex(light[1])} {
		assert.Contains(t, string(svg), part)
	}
	assert.NotContains(t, string(svg), "var(--")
}
