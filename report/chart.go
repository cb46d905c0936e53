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

// The size of a figure in points; the page scales it to its width. A long legend
// makes it higher.
const (
	width     vg.Length = 800
	minHeight vg.Length = 380
	fontSize  vg.Length = 13
)

// chart is a plot whose legend stands beside it, where no curve can run under it.
type chart struct {
	plot   *plot.Plot
	legend plot.Legend
	labels []string // of the legend
	frame
}

// frame is what a chart shows of the plane.
type frame struct{ x, y axis }

// axis is a range of values. On the plot an axis is always linear: gonum
// misplaces the label of a logarithmic one.
type axis struct {
	label  string
	lo, hi float64
	log    bool // logarithmic values
	whole  bool // whole numbers
}

// at is where on the plot's axis a value stands. Values far beyond the frame are
// brought nearer, or clipping a curve would lose all digits.
func (a axis) at(v float64) float64 {
	if a.log {
		return math.Log10(v)
	}
	far := 1e6 * (a.hi - a.lo)
	return max(a.lo-far, min(v, a.hi+far))
}

func (a axis) ticks() plot.TickerFunc {
	switch {
	case a.log:
		return logTicks
	case a.whole:
		return wholeTicks
	default:
		return linearTicks
	}
}

func newChart(f frame) *chart {
	c := &chart{plot: plot.New(), legend: plot.NewLegend(), frame: f}
	sans := font.Font{Typeface: "Liberation", Variant: "Sans", Size: fontSize}
	for _, a := range []struct {
		*plot.Axis
		axis
	}{{&c.plot.X, f.x}, {&c.plot.Y, f.y}} {
		a.Label.Text = a.axis.label
		a.Label.Padding = 6
		a.Label.TextStyle.Font = sans
		a.Tick.Label.Font = sans
		a.Tick.Marker = a.axis.ticks()
		a.Padding = 0
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

// entry adds one to the legend.
func (c *chart) entry(label string, look ...plot.Thumbnailer) {
	c.legend.Add(label, look...)
	c.labels = append(c.labels, label)
}

func (f frame) place(points plotter.XYs) plotter.XYs {
	placed := make(plotter.XYs, len(points))
	for i, p := range points {
		placed[i] = plotter.XY{X: f.x.at(p.X), Y: f.y.at(p.Y)}
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
	if v <= c.y.lo || v >= c.y.hi {
		return false
	}
	c.plot.Add(&plotter.Line{
		XYs:       c.place(plotter.XYs{{X: c.x.lo, Y: v}, {X: c.x.hi, Y: v}}),
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
		at.Y = min(at.Y, c.y.hi)
		c.marks(t.Color, cross{}, 5, plotter.XYs{at})
		n++
	}
	return n
}

// along is the value that stands a share of the axis to the right of v.
func (a axis) along(v, share float64) float64 {
	if a.log {
		return v * math.Pow(a.hi/a.lo, share)
	}
	return v + (a.hi-a.lo)*share
}
