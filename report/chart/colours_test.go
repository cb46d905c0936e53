package chart

import (
	"image/color"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// vec is a colour in linear RGB or in CIELAB.
type vec [3]float64

func linear(c color.RGBA) (v vec) {
	for i, b := range []uint8{c.R, c.G, c.B} {
		s := float64(b) / 255
		if v[i] = s / 12.92; s > 0.04045 {
			v[i] = math.Pow((s+0.055)/1.055, 2.4)
		}
	}
	return v
}

type matrix [3]vec

func (m matrix) times(v vec) (out vec) {
	for i, row := range m {
		out[i] = row[0]*v[0] + row[1]*v[1] + row[2]*v[2]
	}
	return out
}

// eyes are how colours look to readers, in linear RGB: Machado, Oliveira & Fernandes 2009, "A
// Physiologically-based Model for Simulation of Color Vision Deficiency", at severity 1.
var eyes = map[string]matrix{
	"all cones":    {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protanopia":   {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	"deuteranopia": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
	"tritanopia":   {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
}

// toXYZ is of sRGB's primaries and white (IEC 61966-2-1), relative to that white.
var toXYZ = matrix{
	{0.4124564 / 0.95047, 0.3575761 / 0.95047, 0.1804375 / 0.95047}, {0.2126729, 0.7151522, 0.0721750},
	{0.0193339 / 1.08883, 0.1191920 / 1.08883, 0.9503041 / 1.08883},
}

// lab returns CIELAB's coordinates of a linear colour, in which distances are about those seen.
func lab(v vec) vec {
	for i := range v {
		v[i] = max(0, min(v[i], 1))
	}
	xyz := toXYZ.times(v)
	for i, t := range xyz {
		if xyz[i] = (24389.0/27*t + 16) / 116; t > 216.0/24389 {
			xyz[i] = math.Cbrt(t)
		}
	}
	return vec{116*xyz[1] - 16, 500 * (xyz[0] - xyz[1]), 200 * (xyz[1] - xyz[2])}
}

func contrast(a, b color.RGBA) float64 {
	la, lb := toXYZ.times(linear(a))[1], toXYZ.times(linear(b))[1]
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

// TestColours: series stand out from the page (WCAG 2.2 asks for 3 : 1), and readers with each kind
// of colour blindness tell any two apart. The threshold is ten times the least difference that is
// seen, 2.3 (Mahy, Van Eycken & Oosterlinck 1994).
func TestColours(t *testing.T) {
	t.Parallel()
	const apart = 23
	for _, page := range []struct {
		name   string
		paper  color.RGBA
		colors [Colors]color.RGBA
	}{
		{"light", white, light},
		{"dark", color.RGBA{0x16, 0x18, 0x1b, 0xff}, dark}, // --paper of the pages
	} {
		for i, c := range page.colors {
			assert.GreaterOrEqual(t, contrast(c, page.paper), 3.0, "%s: colour %d", page.name, i)
			for kind, eye := range eyes {
				for j := range i {
					a, b := lab(eye.times(linear(c))), lab(eye.times(linear(page.colors[j])))
					distance := math.Hypot(math.Hypot(a[0]-b[0], a[1]-b[1]), a[2]-b[2])
					assert.GreaterOrEqual(t, distance, float64(apart), "%s, %s: colours %d and %d", page.name, kind, j, i)
				}
			}
		}
	}
}
