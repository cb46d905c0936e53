package report

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The size of a figure in points; the page scales it to its width.
const (
	width    vg.Length = 800
	height   vg.Length = 380
	fontSize vg.Length = 13
)

// chart is a plot over steps whose legend stands beside it, where no curve can
// run under it.
type chart struct {
	plot   *plot.Plot
	legend plot.Legend
	frame
}

// frame is what a chart shows of the plane: steps from 0, values from lo to hi.
type frame struct {
	steps, lo, hi float64
	log           bool // logarithmic values
}

func newChart(label string, f frame) *chart {
	c := &chart{plot.New(), plot.NewLegend(), f}
	sans := font.Font{Typeface: "Liberation", Variant: "Sans", Size: fontSize}
	for _, axis := range []*plot.Axis{&c.plot.X, &c.plot.Y} {
		axis.Label.Padding = 6
		axis.Label.TextStyle.Font = sans
		axis.Tick.Label.Font = sans
		axis.Tick.Marker = plot.TickerFunc(linearTicks)
		axis.Padding = 0
	}
	c.plot.X.Label.Text, c.plot.Y.Label.Text = "step", label
	if f.log {
		c.plot.Y.Tick.Marker = plot.TickerFunc(logTicks)
	}
	c.legend.TextStyle.Font = sans
	c.legend.Top, c.legend.Left = true, true
	c.legend.Padding = 6
	c.legend.ThumbnailWidth = 40
	c.legend.YPosition = draw.PosCenter

	grid := plotter.NewGrid()
	for _, line := range []*draw.LineStyle{&grid.Vertical, &grid.Horizontal} {
		line.Color, line.Width = color.Gray{0xdd}, 0.5
	}
	c.plot.Add(grid)
	return c
}

// y is where on the plot's axis a value stands. The axis itself is always
// linear: gonum misplaces the label of a logarithmic one. Values far beyond the
// frame are brought nearer, or clipping a curve would lose all digits.
func (f frame) y(v float64) float64 {
	if f.log {
		return math.Log10(v)
	}
	return min(v, f.hi+1e6*(f.hi-f.lo))
}

func (f frame) place(points plotter.XYs) plotter.XYs {
	placed := make(plotter.XYs, len(points))
	for i, p := range points {
		placed[i] = plotter.XY{X: p.X, Y: f.y(p.Y)}
	}
	return placed
}

// curve draws a thin line, and a dot where one point is all there is.
func (c *chart) curve(s style, points plotter.XYs) *plotter.Line {
	line := &plotter.Line{XYs: c.place(points), LineStyle: draw.LineStyle{Color: s.Color, Width: 1, Dashes: s.Dashes}}
	switch len(points) {
	case 0:
	case 1:
		c.marks(s.Color, draw.CircleGlyph{}, 2.5, points)
	default:
		c.plot.Add(line)
	}
	return line
}

// marks draws a glyph at each point.
func (c *chart) marks(color color.Color, glyph draw.GlyphDrawer, radius vg.Length, points plotter.XYs) *plotter.Scatter {
	marks := &plotter.Scatter{XYs: c.place(points), GlyphStyle: draw.GlyphStyle{Color: color, Shape: glyph, Radius: radius}}
	if len(points) > 0 {
		c.plot.Add(marks)
	}
	return marks
}

// level draws a grey horizontal line if v is in the frame.
func (c *chart) level(v float64) (drawn bool) {
	if v <= c.lo || v >= c.hi {
		return false
	}
	c.plot.Add(&plotter.Line{
		XYs:       c.place(plotter.XYs{{X: 0, Y: v}, {X: c.steps, Y: v}}),
		LineStyle: draw.LineStyle{Color: color.Gray{0x99}, Width: 1.5},
	})
	return true
}

// ends puts a cross at the last finite value of each run that diverged, at the
// frame where that value lies beyond it, and says how many there are.
func (c *chart) ends(ts []trace) (n int) {
	for _, t := range ts {
		if t.Summary.DivergedAt == 0 || len(t.points) == 0 {
			continue
		}
		at := last(t.points)
		at.Y = min(at.Y, c.hi)
		c.marks(t.Color, cross{}, 5, plotter.XYs{at})
		n++
	}
	return n
}
