package chart

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// SVG returns the chart as an element of a page.
func (c Chart) SVG() (string, error) {
	d := c.draw()
	const margin = 6
	box := d.legend.Rectangle(draw.New(vgsvg.New(width, minHeight))).Size()
	height := max(minHeight, box.Y+2*margin)
	canvas := vgsvg.New(width, height)
	area := draw.Crop(draw.New(canvas), margin, -margin, margin, -margin)
	legend := box.X + 12
	d.plot.Draw(draw.Crop(area, 0, -legend, 0, 0))
	d.legend.Draw(draw.Crop(area, area.Size().X-legend+12, 0, 0, 0))

	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", fmt.Errorf("chart: %w", err)
	}
	return inline(b.Bytes(), height, c.label())
}

// label describes the chart to readers who cannot see it.
func (c Chart) label() string {
	title := c.Title
	if by := " by " + c.X.Label; !strings.HasSuffix(title, by) {
		title += by
	}
	var labels []string
	for _, s := range c.Series {
		labels = append(labels, s.Label)
	}
	return title + ": " + strings.Join(labels, "; ")
}

// inline replaces what a file needs (XML header, fixed size) by what an element of a
// page needs.
func inline(file []byte, height vg.Length, label string) (string, error) {
	_, tag, found := bytes.Cut(file, []byte("<svg"))
	_, body, closed := bytes.Cut(tag, []byte(">"))
	if !found || !closed {
		return "", errors.New("chart: gonum's drawing is not SVG")
	}
	// The fonts that a browser may have instead of Liberation Sans share its widths.
	body = bytes.ReplaceAll(body, []byte("font-family:Liberation Sans;"),
		[]byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;"))
	return fmt.Sprintf(
		`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="100%%" role="img" aria-label="%s">%s`,
		float64(width), float64(height), html.EscapeString(label), body), nil
}
