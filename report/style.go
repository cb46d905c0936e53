package report

import (
	"image/color"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"gorgonorm/runlog"
)

// style is how a run is drawn in every figure.
type style struct {
	Color  color.Color
	Dashes []vg.Length
	Glyph  draw.GlyphDrawer
}

// colors are those of Okabe and Ito, which the colour-blind tell apart: first
// one for each of runlog.Norms, whatever runs there are, then some for other norms.
var (
	colors = []color.Color{
		color.RGBA{0x00, 0x00, 0x00, 0xff},
		color.RGBA{0xd5, 0x5e, 0x00, 0xff},
		color.RGBA{0x00, 0x72, 0xb2, 0xff},
		color.RGBA{0x00, 0x9e, 0x73, 0xff},
		color.RGBA{0xcc, 0x79, 0xa7, 0xff},
		color.RGBA{0xe6, 0x9f, 0x00, 0xff},
		color.RGBA{0x56, 0xb4, 0xe9, 0xff},
		color.RGBA{0xf0, 0xe4, 0x42, 0xff},
	}
	dashes = [][]vg.Length{nil, {9, 2}, {4, 1.5}, {9, 2, 2, 2}, {2, 2}, {14, 3, 4, 3}, {6, 2, 2, 2, 2, 2}}
	glyphs = []draw.GlyphDrawer{draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.CircleGlyph{}, diamond{}, draw.RingGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}}
)

// styles gives each norm its colour; dashes and glyph are each placement's and
// qk-norm's where there are several, or else each norm's too. Each further run of
// a variant gets the next dashes and the next glyph.
func styles(rows []row) []style {
	kinds := make([]kind, len(rows))
	var wheres []kind
	for i, r := range rows {
		kinds[i] = kindOf(r.Run)
		if w := kinds[i].where(); !slices.Contains(wheres, w) {
			wheres = append(wheres, w)
		}
	}
	slices.SortFunc(wheres, compareKinds)
	place := map[string]int{}
	for i, n := range runlog.Norms {
		place[n] = i
	}
	runs := map[kind]int{}
	out := make([]style, len(rows))
	for i, k := range kinds {
		p, known := place[k.norm]
		if !known {
			p = len(place)
			place[k.norm] = p
		}
		look := p
		if len(wheres) > 1 {
			look = slices.Index(wheres, k.where())
		}
		look += runs[k]
		runs[k]++
		out[i] = style{colors[p%len(colors)], dashes[look%len(dashes)], glyphs[look%len(glyphs)]}
	}
	return out
}
