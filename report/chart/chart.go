// Package chart draws charts of curves and marks as SVG, from plain data.
package chart

import (
	"cmp"
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Chart is what a chart shows. Its legend is beside the plot, where it covers no curve.
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
	Lines [][]Point // a line of one point is drawn as a dot
	Marks []Point   // nil if the legend's entry has no mark either
}

// Point is a point of the plane.
type Point struct{ X, Y float64 }

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
		aside := (float64(i) - float64(len(styles)-1)/2) / 150
		crosses = append(crosses, Cross{Point{c.X.right(x, aside), c.Y.Hi}, s})
	}
	return crosses
}

// CompareY orders points by Y.
func CompareY(a, b Point) int { return cmp.Compare(a.Y, b.Y) }

// Highest and Lowest return the points with the largest and the smallest Y.
func Highest(ps []Point) Point { return slices.MaxFunc(ps, CompareY) }
func Lowest(ps []Point) Point  { return slices.MinFunc(ps, CompareY) }

// The size of a chart in points. The page scales it to its width; a long legend makes
// it higher.
const (
	width     vg.Length = 800
	minHeight vg.Length = 380
	fontSize  vg.Length = 13
)

const (
	markRadius  vg.Length = 3.5
	crossRadius vg.Length = 5
	dotRadius   vg.Length = 2.5
)

// drawing is a chart in gonum's terms.
type drawing struct {
	Chart
	plot   *plot.Plot
	legend plot.Legend
}

func (c Chart) draw() drawing {
	d := drawing{c, plot.New(), plot.NewLegend()}
	sans := font.Font{Typeface: "Liberation", Variant: "Sans", Size: fontSize}
	d.axis(&d.plot.X, c.X, sans)
	d.axis(&d.plot.Y, c.Y, sans)
	d.legend.TextStyle.Font = sans
	d.legend.Top, d.legend.Left = true, true
	d.legend.Padding = 6
	d.legend.ThumbnailWidth = 40
	d.legend.YPosition = draw.PosCenter

	grid := plotter.NewGrid()
	for _, line := range []*draw.LineStyle{&grid.Vertical, &grid.Horizontal} {
		line.Color, line.Width = color.Gray{0xdd}, 0.5
	}
	d.plot.Add(grid)
	for i, l := range c.Levels {
		if c.Y.Inside(l.Y) {
			d.level(l, i)
		}
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
	return d
}

func (d *drawing) axis(to *plot.Axis, a Axis, f font.Font) {
	to.Label.Text = a.Label
	to.Label.Padding = 6
	to.Label.TextStyle.Font = f
	to.Tick.Label.Font = f
	to.Tick.Marker = a.ticks()
	to.Padding = 0
}

// level draws the i-th level, each with dashes of its own.
func (d *drawing) level(l Level, i int) {
	line := &plotter.Line{
		XYs:       d.place([]Point{{d.X.Lo, l.Y}, {d.X.Hi, l.Y}}),
		LineStyle: draw.LineStyle{Color: color.Gray{0x99}, Width: 1.5, Dashes: Style{Pattern: i}.dashes()},
	}
	d.plot.Add(line)
	if l.Label != "" {
		d.legend.Add(l.Label, line)
	}
}

func (d *drawing) place(points []Point) plotter.XYs {
	placed := make(plotter.XYs, len(points))
	for i, p := range points {
		placed[i] = plotter.XY{X: d.X.at(p.X), Y: d.Y.at(p.Y)}
	}
	return placed
}

func (d *drawing) series(s Series) {
	look := []plot.Thumbnailer{&plotter.Line{LineStyle: s.line()}}
	if s.Marks != nil {
		look = append(look, &plotter.Scatter{GlyphStyle: s.mark(s.glyph(), markRadius)})
	}
	if s.Label != "" {
		d.legend.Add(s.Label, look...)
	}
	if d.LinesOnTop {
		d.marks(s)
		d.lines(s)
	} else {
		d.lines(s)
		d.marks(s)
	}
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

func (d *drawing) cross(c Cross) { d.scatter([]Point{c.Point}, c.mark(cross{}, crossRadius)) }

func (d *drawing) scatter(points []Point, style draw.GlyphStyle) {
	if len(points) > 0 {
		d.plot.Add(&plotter.Scatter{XYs: d.place(points), GlyphStyle: style})
	}
}

func (s Style) line() draw.LineStyle {
	return draw.LineStyle{Color: s.color(), Width: 1, Dashes: s.dashes()}
}

func (s Style) mark(glyph draw.GlyphDrawer, radius vg.Length) draw.GlyphStyle {
	return draw.GlyphStyle{Color: s.color(), Shape: glyph, Radius: radius}
}
