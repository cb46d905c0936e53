package report

import (
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// cross marks where a curve ends because its run diverged. gonum's own cross
// is too thin to be seen on a curve.
type cross struct{}

func (cross) DrawGlyph(c *draw.Canvas, g draw.GlyphStyle, at vg.Point) {
	r := g.Radius
	for _, d := range []vg.Point{{X: r, Y: r}, {X: r, Y: -r}} {
		c.StrokeLines(draw.LineStyle{Color: g.Color, Width: 2}, []vg.Point{at.Sub(d), at.Add(d)})
	}
}

// diamond is the filled shape that gonum lacks to tell four norms apart.
type diamond struct{}

func (diamond) DrawGlyph(c *draw.Canvas, g draw.GlyphStyle, at vg.Point) {
	r := 1.2 * g.Radius // to look as large as the others
	c.FillPolygon(g.Color, []vg.Point{
		{X: at.X - r, Y: at.Y}, {X: at.X, Y: at.Y + r}, {X: at.X + r, Y: at.Y}, {X: at.X, Y: at.Y - r},
	})
}
