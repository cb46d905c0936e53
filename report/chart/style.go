package chart

import (
	"fmt"
	"image/color"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Style is the look of a series: the number of its colour, and that of its pattern of
// dashes and glyph. Numbers from Colors or Patterns on start again from 0.
type Style struct{ Color, Pattern int }

// Colors and Patterns are the numbers of different colours and patterns.
const (
	Colors   = len(light)
	Patterns = min(len(dashes), len(glyphs))
)

// The colours of series on a light and on a dark page. TestColours holds what they are chosen
// for: readers with each kind of colour blindness tell any two apart, and each stands out from
// its page.
var (
	light = [...]color.RGBA{
		{0x33, 0x33, 0x33, 0xff},
		{0xdd, 0x77, 0x19, 0xff},
		{0x48, 0x4c, 0xc9, 0xff},
		{0x01, 0xa6, 0x87, 0xff},
		{0x67, 0x0b, 0x70, 0xff},
		{0xa8, 0x6d, 0x3d, 0xff},
		{0x8e, 0x8e, 0xbd, 0xff},
		{0x6a, 0x1e, 0x03, 0xff},
	}
	dark = [Colors]color.RGBA{
		{0xe0, 0xe0, 0xe0, 0xff},
		{0xc2, 0x5c, 0x00, 0xff},
		{0x37, 0x61, 0xcb, 0xff},
		{0x50, 0xf1, 0x83, 0xff},
		{0xa1, 0x4d, 0x90, 0xff},
		{0xf0, 0xc6, 0x2b, 0xff},
		{0x90, 0xbd, 0xed, 0xff},
		{0xe2, 0x00, 0x55, 0xff},
	}
	dashes = [...][]vg.Length{
		nil, {9, 2}, {4, 1.5}, {9, 2, 2, 2}, {2, 2}, {14, 3, 4, 3}, {6, 2, 2, 2, 2, 2},
	}
	glyphs = [...]draw.GlyphDrawer{
		draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.CircleGlyph{}, diamond{},
		draw.RingGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{},
	}
)

// The colours of what is no series. They differ from all others, so that a theme finds them.
var (
	ink   = color.RGBA{0x1a, 0x1a, 0x1a, 0xff}
	white = color.RGBA{0xff, 0xff, 0xff, 0xff}
	grid  = color.RGBA{0xdd, 0xdd, 0xdd, 0xff}
	level = color.RGBA{0x80, 0x80, 0x80, 0xff}
)

// themed replaces the colours of a drawing by the variables of a page.
var themed = func() *strings.Replacer {
	var pairs []string
	add := func(c color.RGBA, name string) {
		pairs = append(pairs, hex(c), fmt.Sprintf("var(--%s,%s)", name, hex(c)))
	}
	add(ink, "ink")
	add(grid, "grid")
	add(level, "level")
	for i, c := range light {
		add(c, fmt.Sprint("series-", i))
	}
	return strings.NewReplacer(pairs...)
}()

func hex(c color.RGBA) string { return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B) }

// Variables returns the declarations of the colours of series, for the style sheet of a light and
// of a dark page.
func Variables() (onLight, onDark string) {
	declare := func(colors [Colors]color.RGBA) (s string) {
		for i, c := range colors {
			s += fmt.Sprintf("--series-%d:%s;", i, hex(c))
		}
		return s
	}
	return declare(light), declare(dark)
}

// Dashes returns the lengths of a style's dashes and gaps in SVG's form, "" for a solid line.
func (s Style) Dashes() string {
	var lengths []string
	for _, l := range s.dashes() {
		lengths = append(lengths, fmt.Sprint(float64(l)))
	}
	return strings.Join(lengths, ",")
}

func (s Style) color() color.RGBA       { return light[s.Color%Colors] }
func (s Style) dashes() []vg.Length     { return dashes[s.Pattern%Patterns] }
func (s Style) glyph() draw.GlyphDrawer { return glyphs[s.Pattern%Patterns] }

// faint returns the style's colour for what is in the background.
func (s Style) faint() color.Color { return faint(s.color()) }

// faint is a colour that lets three quarters of what is behind it through.
type faint color.RGBA

// RGBA rounds up, because gonum's SVG rounds down: so the theme finds the colour.
func (f faint) RGBA() (r, g, b, a uint32) {
	const alpha = 0x4040
	part := func(c uint8) uint32 { return (uint32(c)*alpha + 254) / 255 }
	return part(f.R), part(f.G), part(f.B), alpha
}

func (s Style) line() draw.LineStyle {
	return draw.LineStyle{Color: s.color(), Width: lineWidth, Dashes: s.dashes()}
}

func (s Style) mark(glyph draw.GlyphDrawer, radius vg.Length) draw.GlyphStyle {
	return draw.GlyphStyle{Color: s.color(), Shape: glyph, Radius: radius}
}

// lineLook and markLook are a line and a mark in a legend.
type (
	lineLook draw.LineStyle
	markLook draw.GlyphStyle
)

func (l lineLook) Thumbnail(c *draw.Canvas) {
	y := c.Center().Y
	c.StrokeLine2(draw.LineStyle(l), c.Min.X, y, c.Max.X, y)
}

func (m markLook) Thumbnail(c *draw.Canvas) { c.DrawGlyph(draw.GlyphStyle(m), c.Center()) }

// cross marks the end of a curve. gonum's own cross is too thin to stand out on one.
type cross struct{}

func (cross) DrawGlyph(c *draw.Canvas, g draw.GlyphStyle, at vg.Point) {
	r := g.Radius
	for _, d := range []vg.Point{{X: r, Y: r}, {X: r, Y: -r}} {
		c.StrokeLines(draw.LineStyle{Color: g.Color, Width: 2}, []vg.Point{at.Sub(d), at.Add(d)})
	}
}

// spike is a triangle that points down at its place.
type spike struct{}

func (spike) DrawGlyph(c *draw.Canvas, g draw.GlyphStyle, at vg.Point) {
	r := g.Radius
	c.FillPolygon(g.Color, []vg.Point{
		{X: at.X, Y: at.Y + r}, {X: at.X - r, Y: at.Y + 3*r}, {X: at.X + r, Y: at.Y + 3*r},
	})
}

// diamond is a filled shape that gonum lacks.
type diamond struct{}

func (diamond) DrawGlyph(c *draw.Canvas, g draw.GlyphStyle, at vg.Point) {
	r := 1.2 * g.Radius // to look as large as the other glyphs
	c.FillPolygon(g.Color, []vg.Point{
		{X: at.X - r, Y: at.Y}, {X: at.X, Y: at.Y + r}, {X: at.X + r, Y: at.Y}, {X: at.X, Y: at.Y - r},
	})
}
