// Package chart draws charts of curves and marks as SVG, from plain data.
package chart

import (
	"cmp"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Chart is what a chart shows.
type Chart struct {
	Title      string // not drawn; it describes the chart to readers who cannot see it
	X, Y       Axis
	Levels     []Level
	Series     []Series
	LinesOnTop bool    // draw the lines of a series over its marks, not under
	Crosses    []Cross // over all series
}

// Series is the curves and marks of one entry in the legend.
type Series struct {
	Label string // in the legend; "" for no entry
	Style
	Band   []Span    // a shaded area around the lines
	Faint  [][]Point // lines in the background, such as values of which Lines are means
	Lines  [][]Point // a line of one point is drawn as a dot
	Marks  []Point   // nil if the legend's entry has no mark either
	Spikes []Point   // marked by triangles that hang above them
}

// Point is a point of the plane.
type Point struct{ X, Y float64 }

// Span is a range of values at X.
type Span struct{ X, Lo, Hi float64 }

// Level is a horizontal grey line. It has an entry in the legend unless its label is empty.
type Level struct {
	Label string // in the legend; "" for no entry
	Y     float64
}

// Cross marks a point in the colour of a style.
type Cross struct {
	Point
	Style
}

// AtTop returns crosses side by side at the upper edge, around x.
func (c Chart) AtTop(x float64, styles []Style) (crosses []Cross) {
	for i, s := range styles {
		aside := (float64(i) - float64(len(styles)-1)/2) / 60
		crosses = append(crosses, Cross{Point{c.X.right(x, aside), c.Y.Hi}, s})
	}
	return crosses
}

// CompareY orders points by Y.
func CompareY(a, b Point) int { return cmp.Compare(a.Y, b.Y) }

// Highest and Lowest return the points with the largest and the smallest Y, a zero Point if there are
// none.
func Highest(ps []Point) (p Point) {
	if len(ps) > 0 {
		p = slices.MaxFunc(ps, CompareY)
	}
	return p
}

func Lowest(ps []Point) (p Point) {
	if len(ps) > 0 {
		p = slices.MinFunc(ps, CompareY)
	}
	return p
}

// The size of a chart in points. A page scales it to half its width, or to the width of a phone,
// where the text is still readable.
const (
	width    vg.Length = 520
	height   vg.Length = 320
	fontSize vg.Length = 13
)

const (
	lineWidth   vg.Length = 1.5
	markRadius  vg.Length = 3
	crossRadius vg.Length = 4.5
	dotRadius   vg.Length = 2.5
	spikeRadius vg.Length = 3
)

// drawing is a chart in gonum's terms.
type drawing struct {
	Chart
	plot *plot.Plot
}

var sans = font.Font{Typeface: "Liberation", Variant: "Sans", Size: fontSize}

func (c Chart) draw() *plot.Plot {
	d := drawing{c, plot.New()}
	d.axis(&d.plot.X, c.X)
	d.axis(&d.plot.Y, c.Y)
	d.plot.BackgroundColor = nil // the page's

	lines := plotter.NewGrid()
	for _, line := range []*draw.LineStyle{&lines.Vertical, &lines.Horizontal} {
		line.Color, line.Width = grid, 0.5
	}
	d.plot.Add(lines)
	for i, l := range c.Levels {
		if c.Y.Inside(l.Y) {
			d.level(l, i)
		}
	}
	for _, s := range c.Series {
		d.band(s)
	}
	for _, s := range c.Series {
		d.series(s)
	}
	for _, cross := range c.Crosses {
		d.cross(cross)
	}
	// What was added to the plot may have widened its axes.
	d.plot.X.Min, d.plot.X.Max = c.X.at(c.X.Lo), c.X.at(c.X.Hi)
	d.plot.Y.Min, d.plot.Y.Max = c.Y.at(c.Y.Lo), c.Y.at(c.Y.Hi)
	return d.plot
}

func (d *drawing) axis(to *plot.Axis, a Axis) {
	to.Label.Text = a.Label
	to.Label.Padding = 6
	to.Label.TextStyle.Font, to.Tick.Label.Font = sans, sans
	to.Label.TextStyle.Color, to.Tick.Label.Color = ink, ink
	to.LineStyle.Color, to.Tick.LineStyle.Color = ink, ink
	to.Tick.Marker = a.ticks()
	to.Padding = 0
}

// level draws the i-th level, each with dashes of its own.
func (d *drawing) level(l Level, i int) {
	d.plot.Add(&plotter.Line{XYs: d.place([]Point{{d.X.Lo, l.Y}, {d.X.Hi, l.Y}}), LineStyle: levelLine(i)})
}

func levelLine(i int) draw.LineStyle {
	return draw.LineStyle{Color: level, Width: lineWidth, Dashes: Style{Pattern: i}.dashes()}
}

func (d *drawing) place(points []Point) plotter.XYs {
	placed := make(plotter.XYs, len(points))
	for i, p := range points {
		placed[i] = plotter.XY{X: d.X.at(p.X), Y: d.Y.at(p.Y)}
	}
	return placed
}

// band shades the area between the lower and the upper ends of a series' spans.
func (d *drawing) band(s Series) {
	if len(s.Band) < 2 {
		return
	}
	outline := make([]Point, 2*len(s.Band))
	for i, span := range s.Band {
		outline[i] = Point{span.X, span.Lo}
		outline[len(outline)-1-i] = Point{span.X, span.Hi}
	}
	d.plot.Add(&plotter.Polygon{XYs: []plotter.XYs{d.place(outline)}, Color: s.faint()})
}

func (d *drawing) series(s Series) {
	for _, points := range s.Faint {
		if len(points) > 1 {
			d.plot.Add(&plotter.Line{XYs: d.place(points), LineStyle: draw.LineStyle{Color: s.faint(), Width: 1}})
		}
	}
	if d.LinesOnTop {
		d.marks(s)
		d.lines(s)
	} else {
		d.lines(s)
		d.marks(s)
	}
	d.spikes(s)
}

func (d *drawing) lines(s Series) {
	for _, points := range s.Lines {
		switch len(points) {
		case 0:
		case 1:
			d.scatter(points, s.mark(draw.CircleGlyph{}, dotRadius))
		default:
			d.plot.Add(&plotter.Line{XYs: d.place(points), LineStyle: s.line()})
		}
	}
}

func (d *drawing) marks(s Series) { d.scatter(s.Marks, s.mark(s.glyph(), markRadius)) }

func (d *drawing) spikes(s Series) { d.scatter(s.Spikes, s.mark(spike{}, spikeRadius)) }

func (d *drawing) cross(c Cross) { d.scatter([]Point{c.Point}, c.mark(cross{}, crossRadius)) }

func (d *drawing) scatter(points []Point, style draw.GlyphStyle) {
	if len(points) > 0 {
		d.plot.Add(&plotter.Scatter{XYs: d.place(points), GlyphStyle: style})
	}
}
