package transformer

import (
	"errors"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/portable"
)

// NormNoise is a random scale and shift of each feature after each norm of a block, except those of
// queries and keys, and after the norm before the head. It is the same for all tokens:
//
//	y = (1 + σ·n)∘x + σ·m    dx = (1 + σ·n)∘dy
//
// where n and m are standard normal and not learnable. Drawn afresh for each training step, it moves
// the distributions that norms keep in place, to test whether that is why norms help (Santurkar et
// al. 2018, arXiv 1805.11604, section 2.1, whose noise also differs between samples). In a model
// without norms it is at their places.
type NormNoise struct {
	sigma  float64
	source *rand.PCG
	rng    *rand.Rand // of source
	places []affine
}

// NewNormNoise returns noise of the standard deviation σ, whose draws the seed determines. Noise of
// 0 adds nothing to a model.
func NewNormNoise(sigma float64, seed uint64) *NormNoise {
	source := rand.NewPCG(seed, 0x6e6f697365) // "noise"
	return &NormNoise{sigma: sigma, source: source, rng: rand.New(source)}
}

// MarshalBinary returns the state of the random numbers, from which UnmarshalBinary goes on.
func (n *NormNoise) MarshalBinary() ([]byte, error) {
	if n.source == nil {
		return nil, errZeroNoise
	}
	return n.source.MarshalBinary()
}

var errZeroNoise = errors.New("transformer: the noise is a zero value, want one from NewNormNoise")

// UnmarshalBinary makes the next Draw that which followed the MarshalBinary of the state. It returns
// an error for anything else.
func (n *NormNoise) UnmarshalBinary(state []byte) error {
	if n.source == nil {
		return errZeroNoise
	}
	return n.source.UnmarshalBinary(state)
}

// Draw replaces the noise in all graphs that have it. They must not run meanwhile.
func (n *NormNoise) Draw() {
	for _, p := range n.places {
		n.draw(p)
	}
}

func (n *NormNoise) draw(p affine) {
	for j := range p.scale {
		p.scale[j] = 1 + float64(n.sigma*portable.Normal(n.rng))
		p.shift[j] = n.sigma * portable.Normal(n.rng)
	}
}

// WithNoise returns the model with noise in the passes that are added to its graph from then on. Its
// placements by On, and therefore sampling, have none.
func (m *Model) WithNoise(n *NormNoise) *Model {
	noisy := *m
	noisy.noise = n
	return &noisy
}

// noisy adds the model's noise after a norm.
func (f *forward) noisy(name string, x *G.Node) *G.Node {
	if f.noise == nil || f.noise.sigma == 0 || f.err != nil {
		return x
	}
	p := newAffine(f.channels)
	f.noise.draw(p)
	f.noise.places = append(f.noise.places, p)
	return f.affine("Noise "+name, p, x)
}
