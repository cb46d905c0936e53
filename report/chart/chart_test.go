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
			{Label: "first", Style: Style{1, 2}, Lines: [][]Point{line}, Marks: mark, Band: []Span{{1, 1, 1.5}, {2, 1, 2}}, Faint: [][]Point{line}},
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
