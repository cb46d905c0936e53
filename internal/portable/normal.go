package portable

import (
	"math"
	"math/rand/v2"
)

// Normal returns a normally distributed number with mean 0 and standard deviation 1: that of
// rng.NormFloat64, which is the same in all but the last bits of the tails on every machine.
//
// It is the ziggurat (Marsaglia & Tsang 2000): horizontal layers of equal area cover the density. A
// number within the layer above is below the density for certain.
func Normal(rng *rand.Rand) float64 {
	for {
		u := rng.Uint64()
		j, layer := int32(u), u>>32%layers
		x := float64(j) * float64(ziggurat.width[layer])
		size := uint32(max(j, -j)) // that of the least number is right too, as its negative wraps
		switch {
		case size < ziggurat.inside[layer]:
			return x
		case layer == 0:
			return math.Copysign(tail(rng), float64(j))
		}
		above, below := ziggurat.density[layer-1], ziggurat.density[layer]
		if below+float32(float32(rng.Float64())*(above-below)) < float32(density(x)) {
			return x
		}
	}
}

// tail returns a number beyond the lowest layer's edge.
func tail(rng *rand.Rand) float64 {
	for {
		x := float64(-Log(rng.Float64()) * (1.0 / edge))
		y := -Log(rng.Float64())
		if y+y >= float64(x*x) {
			return edge + x
		}
	}
}

// density returns the normal density, up to a factor.
func density(x float64) float64 { return Exp(float64(-0.5 * x * x)) }

const (
	layers = 128
	edge   = 3.442619855899      // of the lowest layer, where the tail begins
	area   = 9.91256303526217e-3 // of a layer
)

// ziggurat holds, for each layer, the number in 2^-31 of its width below which x is within the layer
// above, the width in 2^-31, and the density at the layer's edge.
var ziggurat = func() (z struct {
	inside         [layers]uint32
	width, density [layers]float32
}) {
	const one = 1 << 31
	last, wide := edge, area/density(edge)
	z.inside[0], z.width[0], z.density[0] = uint32(edge/wide*one), float32(wide/one), 1
	z.width[layers-1], z.density[layers-1] = float32(edge/one), float32(density(edge))
	for i := layers - 2; i > 0; i-- {
		x := math.Sqrt(-2 * Log(area/last+density(last)))
		z.inside[i+1], z.width[i], z.density[i] = uint32(x/last*one), float32(x/one), float32(density(x))
		last = x
	}
	return z
}()
