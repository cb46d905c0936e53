package chart

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"regexp"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const margin = 6

// SVG returns the chart as an element of a page, without its legend: the page writes that, in
// its own font. The colours are the page's variables --ink, --grid, --level and --series-0,
// --series-1, …, or those of a light page where it has none.
func (c Chart) SVG() (string, error) {
	canvas := vgsvg.New(width, height)
	c.draw().Draw(draw.Crop(draw.New(canvas), margin, -margin, margin, -margin))
	return inline(canvas, height, c.label(), themed)
}

// Entry is an entry of a legend.
type Entry struct {
	Label  string
	Swatch string // an SVG element that shows the line and the mark
}

// Legend returns the legend of the chart.
func (c Chart) Legend() (entries []Entry, err error) {
	for _, s := range c.Series {
		if s.Label != "" {
			swatch, err := swatch(s.line(), s.Marks != nil, s.mark(s.glyph(), markRadius))
			if err != nil {
				return nil, err
			}
			entries = append(entries, Entry{s.Label, swatch})
		}
	}
	for i, l := range c.Levels {
		if l.Label != "" && c.Y.Inside(l.Y) {
			swatch, err := swatch(levelLine(i), false, draw.GlyphStyle{})
			if err != nil {
				return nil, err
			}
			entries = append(entries, Entry{l.Label, swatch})
		}
	}
	return entries, nil
}

// swatch draws a piece of a line, and a mark on it.
func swatch(line draw.LineStyle, marked bool, mark draw.GlyphStyle) (string, error) {
	const w, h = 34, 12
	canvas := vgsvg.New(w, h)
	dc := draw.New(canvas)
	dc.StrokeLine2(line, 0, h/2, w, h/2)
	if marked {
		dc.DrawGlyph(mark, vg.Point{X: w / 2, Y: h / 2})
	}
	size := fmt.Sprintf(`viewBox="0 0 %d %d" width="%d" height="%d"`, w, h, w, h)
	return element(canvas, size+` aria-hidden="true"`, themed)
}

// File returns the chart as a file of its own, on white, with the legend beside it.
func (c Chart) File() ([]byte, error) {
	legend := plot.NewLegend()
	legend.TextStyle.Font = sans
	legend.Top, legend.Left = true, true
	legend.Padding, legend.ThumbnailWidth, legend.YPosition = 6, 34, draw.PosCenter
	for _, s := range c.Series {
		if s.Label == "" {
			continue
		}
		look := []plot.Thumbnailer{lineLook(s.line())}
		if s.Marks != nil {
			look = append(look, markLook(s.mark(s.glyph(), markRadius)))
		}
		legend.Add(s.Label, look...)
	}
	// A reader's font may be wider than the one that the legend is measured with.
	box := legend.Rectangle(draw.New(vgsvg.New(width, height))).Size()
	whole, tall := width+box.X*5/4+3*margin, max(height, box.Y+2*margin)
	canvas := vgsvg.New(whole, tall)
	area := draw.Crop(draw.New(canvas), margin, -margin, margin, -margin)
	area.SetColor(white)
	area.Fill(vg.Rectangle{Max: vg.Point{X: whole, Y: tall}}.Path())
	c.draw().Draw(draw.Crop(area, 0, width-whole+2*margin, tall-height, 0))
	legend.Draw(draw.Crop(area, width, 0, 0, 0))
	svg, err := element(canvas, fmt.Sprintf(`viewBox="0 0 %g %g" width="%g" height="%g" role="img" aria-label="%s"`,
		float64(whole), float64(tall), float64(whole), float64(tall), html.EscapeString(c.label())), nil)
	return []byte(svg + "\n"), err
}

// label describes the chart to readers who cannot see it.
func (c Chart) label() string {
	title := c.Title
	if by := " by " + c.X.Label; !strings.HasSuffix(title, by) {
		title += by
	}
	var labels []string
	for _, s := range c.Series {
		if s.Label != "" {
			labels = append(labels, s.Label)
		}
	}
	return title + ": " + strings.Join(labels, "; ")
}

var texts = regexp.MustCompile(`<text ([^>]*)>([^<]*)</text>`)

// fixWidth gives a text the width that it was laid out with, in whatever font a reader has.
func fixWidth(element string) string {
	m := texts.FindStringSubmatch(element)
	style := draw.TextStyle{Font: sans, Handler: plot.DefaultTextHandler}
	return fmt.Sprintf(`<text textLength="%.4g" lengthAdjust="spacingAndGlyphs" %s>%s</text>`,
		float64(style.Width(html.UnescapeString(m[2]))), m[1], m[2])
}

func inline(canvas *vgsvg.Canvas, height vg.Length, label string, theme *strings.Replacer) (string, error) {
	return element(canvas, fmt.Sprintf(`viewBox="0 0 %g %g" width="100%%" role="img" aria-label="%s"`,
		float64(width), float64(height), html.EscapeString(label)), theme)
}

// element replaces what a file needs (XML header, fixed size) by what an element of a page needs.
func element(canvas *vgsvg.Canvas, attributes string, theme *strings.Replacer) (string, error) {
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return "", fmt.Errorf("chart: %w", err)
	}
	_, tag, found := strings.Cut(b.String(), "<svg")
	_, body, closed := strings.Cut(tag, ">")
	if !found || !closed {
		return "", errors.New("chart: gonum's drawing is not SVG")
	}
	// The fonts that a browser may have instead of Liberation Sans share its widths.
	body = strings.ReplaceAll(body, "font-family:Liberation Sans;",
		"font-family:Liberation Sans,Arial,Helvetica,sans-serif;")
	body = texts.ReplaceAllStringFunc(body, fixWidth)
	if theme != nil {
		body = theme.Replace(body)
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" %s>%s`, attributes, strings.TrimSpace(body)), nil
}
