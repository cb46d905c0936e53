package transformer

import (
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/op"
)

// NormNoise is a random scale and shift of each feature after each norm of a block, except those of
// queries and keys, and after the norm before the head. It is the same for all tokens:
//
//	y = (1 + σ·n)∘x + σ·m    dx = (1 + σ·n)∘dy
//
// where n and m are standard normal and not learnable. Drawn afresh for each training step, it moves
// the distributions that norms keep in place, to test whether that is why norms help (Santurkar et
// al. 2018, arXiv 1805.11604, section 2.1, where each element has noise of its own). In a model without norms it follows their places.
type NormNoise struct {
	sigma  float64
	rng    *rand.Rand
	places []affine
}

// NewNormNoise returns noise of the standard deviation σ, whose draws the seed determines. Noise of
// 0 adds nothing to a model.
func NewNormNoise(sigma float64, seed uint64) *NormNoise {
	return &NormNoise{sigma: sigma, rng: rand.New(rand.NewPCG(seed, 0x6e6f697365))} // "noise"
}

// Draw replaces the noise in all graphs that have it. They must not run meanwhile.
func (n *NormNoise) Draw() {
	for _, p := range n.places {
		n.draw(p)
	}
}

func (n *NormNoise) draw(p affine) {
	for j := range p.scale {
		p.scale[j] = 1 + n.sigma*n.rng.NormFloat64()
		p.shift[j] = n.sigma * n.rng.NormFloat64()
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

// scaled divides the output of a norm by √depth.
func (f *forward) scaled(name string, depth int, x *G.Node) *G.Node {
	p := newAffine(f.channels)
	for j := range p.scale {
		p.scale[j] = 1 / math.Sqrt(float64(depth))
	}
	return f.affine("Scale "+name, p, x)
}

func (f *forward) affine(label string, a affine, x *G.Node) (y *G.Node) {
	if f.err == nil {
		y, f.err = op.Apply(label, x.Shape(), affineKernel[float32]{a}, affineKernel[float64]{a}, x)
	}
	return y
}

// affine is a map of rows, y = scale∘x + shift.
type affine struct{ scale, shift []float64 }

func newAffine(features int) affine {
	return affine{make([]float64, features), make([]float64, features)}
}

// affineKernel is the kernel of an affine map, which reads its numbers on each run.
type affineKernel[T op.Float] struct{ affine }

func (k affineKernel[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	cols := len(k.scale)
	for i := 0; i < len(out.Data); i += cols {
		y, x := out.Data[i:i+cols], in[0].Data[i:i+cols]
		for j := range y {
			y[j] = T(T(k.scale[j])*x[j]) + T(k.shift[j])
		}
	}
	return nil
}

func (k affineKernel[T]) Backward(din, _ []op.Array[T], _, dout op.Array[T]) error {
	cols := len(k.scale)
	for i := 0; i < len(dout.Data); i += cols {
		dx, dy := din[0].Data[i:i+cols], dout.Data[i:i+cols]
		for j := range dx {
			dx[j] = T(k.scale[j]) * dy[j]
		}
	}
	return nil
}
