package chart

import (
	"regexp"
	"strconv"
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
			assert.NotEqual(t, colors[i], colors[j])
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
			{Label: "first", Style: Style{1, 2}, Lines: [][]Point{line}, Marks: mark},
			{Label: "second", Style: Style{2, 0}, Lines: [][]Point{line}},
		},
		Crosses: []Cross{{Point{2, 2}, Style{3, 0}}},
	}
	const (
		grey          = "stroke:#999999"
		line1, mark1  = "stroke:#D55E00;stroke-dasharray:4,1.5", "fill:#D55E00"
		line2, cross3 = "stroke:#0072B2", "stroke:#009E73;stroke-width:2"
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
	inOrder(svg, `aria-label="A &#34;title&#34; by x: first; second"`, grey, line1, mark1, line2, cross3)
	c.LinesOnTop = true
	inOrder(svgOf(t, c), grey, mark1, line1, line2, cross3)
	c.Levels[0].Y = 3
	assert.NotContains(t, svgOf(t, c), grey, "a level outside the axis")
}

var viewBox = regexp.MustCompile(`viewBox="0 0 800 ([0-9.]+)"`)

// TestLongLegend: a legend that is longer than the chart makes it higher.
func TestLongLegend(t *testing.T) {
	t.Parallel()
	height := func(series int) float64 {
		c := Chart{X: Linear("x", 0, 1), Y: Linear("y", 0, 1)}
		for i := range series {
			c.Series = append(c.Series, Series{Label: "series " + strconv.Itoa(i)})
		}
		m := viewBox.FindStringSubmatch(svgOf(t, c))
		require.NotNil(t, m)
		h, err := strconv.ParseFloat(m[1], 64)
		require.NoError(t, err)
		return h
	}
	assert.EqualValues(t, minHeight, height(4))
	assert.Greater(t, height(40), 1.5*float64(minHeight))
}
