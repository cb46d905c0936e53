package report

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"html/template"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// svg draws the chart as an element for a page, with a label for those who
// cannot see it.
func (c *chart) svg(label string) (template.HTML, error) {
	// What was added to the plot may have widened its axes.
	c.plot.X.Min, c.plot.X.Max = c.x.at(c.x.lo), c.x.at(c.x.hi)
	c.plot.Y.Min, c.plot.Y.Max = c.y.at(c.y.lo), c.y.at(c.y.hi)

	const margin = 6
	box := c.legend.Rectangle(draw.New(vgsvg.New(width, minHeight))).Size()
	height := max(minHeight, box.Y+2*margin)
	canvas := vgsvg.New(width, height)
	area := draw.Crop(draw.New(canvas), margin, -margin, margin, -margin)
	legend := box.X + 12
	c.plot.Draw(draw.Crop(area, 0, -legend, 0, 0))
	c.legend.Draw(draw.Crop(area, area.Size().X-legend+12, 0, 0, 0))

	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", fmt.Errorf("report: %w", err)
	}
	return inline(b.Bytes(), height, label)
}

// inline replaces what a file of its own needs (XML header, fixed size) by what
// an element of a page needs.
func inline(file []byte, height vg.Length, label string) (template.HTML, error) {
	_, tag, found := bytes.Cut(file, []byte("<svg"))
	_, body, closed := bytes.Cut(tag, []byte(">"))
	if !found || !closed {
		return "", errors.New("report: the plot is not SVG")
	}
	// The fonts that a browser may have instead of Liberation Sans share its widths.
	body = bytes.ReplaceAll(body, []byte("font-family:Liberation Sans;"),
		[]byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
	return template.HTML(fmt.Sprintf(
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="100%%" role="img" aria-label="%s">%s`,
		float64(width), float64(height), html.EscapeString(label), body)), nil
}
