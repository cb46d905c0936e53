package report

import (
	"cmp"
	"image/color"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// style is how a run is drawn in every figure.
type style struct {
	Color  color.Color
	Dashes []vg.Length
	Glyph  draw.GlyphDrawer
}

// colors are those of Okabe and Ito, which the colour-blind tell apart: first
// one for each norm, whatever runs there are, then some for norms unknown here.
var (
	norms  = []string{"none", "batch", "layer", "rms"}
	colors = []color.Color{
		color.RGBA{0x00, 0x00, 0x00, 0xff},
		color.RGBA{0xd5, 0x5e, 0x00, 0xff},
		color.RGBA{0x00, 0x72, 0xb2, 0xff},
		color.RGBA{0x00, 0x9e, 0x73, 0xff},
		color.RGBA{0xcc, 0x79, 0xa7, 0xff},
		color.RGBA{0xe6, 0x9f, 0x00, 0xff},
		color.RGBA{0x56, 0xb4, 0xe9, 0xff},
	}
	dashes = [][]vg.Length{nil, {9, 2}, {4, 1.5}, {9, 2, 2, 2}}
	glyphs = []draw.GlyphDrawer{draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.CircleGlyph{}, diamond{}}
)

// styles gives each norm its colour, and each further run of a norm the next
// dashes and the next glyph.
func styles(rows []row) []style {
	place := map[string]int{}
	for i, n := range norms {
		place[n] = i
	}
	runs := map[string]int{}
	out := make([]style, len(rows))
	for i, r := range rows {
		n := cmp.Or(r.Summary.Norm, r.Config.Norm)
		p, known := place[n]
		if !known {
			p = len(place)
			place[n] = p
		}
		variant := p + runs[n]
		runs[n]++
		out[i] = style{colors[p%len(colors)], dashes[variant%len(dashes)], glyphs[variant%len(glyphs)]}
	}
	return out
}
