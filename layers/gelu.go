package layers

import (
	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// GELU is the Gaussian error linear unit, elementwise on any shape, in its tanh form
// (Hendrycks & Gimpel 2016, arXiv 1606.08415):
//
//	y = x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))
//
// or, WithExact, as it is defined, with the normal distribution's Φ, from which the tanh
// form is up to 5e-4 away:
//
//	y = x·Φ(x) = x/2·(1 + erf(x/√2))    dx = dy·(Φ(x) + x·φ(x))
//
// The exact one is torch.nn.GELU() and nanoGPT's, the tanh form
// torch.nn.GELU(approximate="tanh") and GPT-2's. It has no learnables and works on every
// graph.
type GELU struct {
	module
	exact bool
}

// NewGELU makes a GELU of the tanh form. It takes WithName and WithExact.
func NewGELU(opts ...Option) (*GELU, error) {
	c, err := configure("GELU", opts, "WithExact")
	return &GELU{stateless("GELU", c), c.exact}, err
}

// Forward gives GELU of each element, in x's shape.
func (l *GELU) Forward(x *G.Node) (*G.Node, error) {
	if err := l.check(x); err != nil {
		return nil, err
	}
	if l.exact {
		return op.Apply(l.label(), x.Shape(), &exactGELU[float32]{}, &exactGELU[float64]{}, x)
	}
	return op.Apply(l.label(), x.Shape(), &gelu[float32]{}, &gelu[float64]{}, x)
}

// Fwd is Forward in Gorgonia's composable form.
func (l *GELU) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On returns the layer itself, which works on every graph.
func (l *GELU) On(*G.ExprGraph, Mode) (Layer, error) { return l, nil }

type gelu[T op.Float] struct {
	tails []T
}

func (k *gelu[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	k.tails = cpu.Grow(k.tails, len(out.Data))
	cpu.GELU(out.Data, in[0].Data, k.tails)
	return nil
}

func (k *gelu[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	cpu.GELUBackward(din[0].Data, in[0].Data, k.tails, dout.Data)
	return nil
}

type exactGELU[T op.Float] struct {
	cdf []T
}

func (k *exactGELU[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	k.cdf = cpu.Grow(k.cdf, len(out.Data))
	cpu.ExactGELU(out.Data, in[0].Data, k.cdf)
	return nil
}

func (k *exactGELU[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	cpu.ExactGELUBackward(din[0].Data, in[0].Data, k.cdf, dout.Data)
	return nil
}
