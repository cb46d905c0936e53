package chart

import (
	"image/color"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Style is the look of a series: the number of its colour, and that of its pattern of
// dashes and glyph. Numbers from Colors or Patterns on start again from 0.
type Style struct{ Color, Pattern int }

// Colors and Patterns are the numbers of different colours and patterns.
const (
	Colors   = len(colors)
	Patterns = min(len(dashes), len(glyphs))
)

// The colors are those of Okabe and Ito, which colour-blind readers can distinguish.
var (
	colors = [...]color.RGBA{
		{0x00, 0x00, 0x00, 0xff},
		{0xd5, 0x5e, 0x00, 0xff},
		{0x00, 0x72, 0xb2, 0xff},
		{0x00, 0x9e, 0x73, 0xff},
		{0xcc, 0x79, 0xa7, 0xff},
		{0xe6, 0x9f, 0x00, 0xff},
		{0x56, 0xb4, 0xe9, 0xff},
		{0xf0, 0xe4, 0x42, 0xff},
	}
	dashes = [...][]vg.Length{
		nil, {9, 2}, {4, 1.5}, {9, 2, 2, 2}, {2, 2}, {14, 3, 4, 3}, {6, 2, 2, 2, 2, 2},
	}
	glyphs = [...]draw.GlyphDrawer{
		draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.CircleGlyph{}, diamond{},
		draw.RingGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{},
	}
)

func (s Style) color() color.Color      { return colors[s.Color%Colors] }
func (s Style) dashes() []vg.Length     { return dashes[s.Pattern%Patterns] }
func (s Style) glyph() draw.GlyphDrawer { return glyphs[s.Pattern%Patterns] }

// cross marks the end of a curve. gonum's own cross is too thin to stand out on one.
type cross struct{}

func (cross) DrawGlyph(c *draw.Canvas, g draw.GlyphStyle, at vg.Point) {
	r := g.Radius
	for _, d := range []vg.Point{{X: r, Y: r}, {X: r, Y: -r}} {
		c.StrokeLines(draw.LineStyle{Color: g.Color, Width: 2}, []vg.Point{at.Sub(d), at.Add(d)})
	}
}

// diamond is a filled shape that gonum lacks.
type diamond struct{}

func (diamond) DrawGlyph(c *draw.Canvas, g draw.GlyphStyle, at vg.Point) {
	r := 1.2 * g.Radius // to look as large as the other glyphs
	c.FillPolygon(g.Color, []vg.Point{
		{X: at.X - r, Y: at.Y}, {X: at.X, Y: at.Y + r}, {X: at.X + r, Y: at.Y}, {X: at.X, Y: at.Y - r},
	})
}
