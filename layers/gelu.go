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
// or, WithExact, in its exact form with the normal distribution's Φ, which the tanh form
// approximates to 5e-4:
//
//	y = x·Φ(x) = x/2·(1 + erf(x/√2))    dx = dy·(Φ(x) + x·φ(x))
//
// torch.nn.GELU() and nanoGPT use the exact form, torch.nn.GELU(approximate="tanh") and
// GPT-2 the tanh form. GELU has no learnables and works on every graph.
type GELU struct {
	module
	exact bool
}

// NewGELU returns a GELU, in the tanh form unless WithExact is given. It takes WithName and WithExact.
func NewGELU(opts ...Option) (*GELU, error) {
	c, err := configure("GELU", opts, "WithExact")
	return &GELU{stateless("GELU", c), c.exact}, err
}

// Forward returns GELU of each element, in x's shape.
func (l *GELU) Forward(x *G.Node) (*G.Node, error) {
	if err := l.check(x); err != nil {
		return nil, err
	}
	return op.Apply(l.label(), x.Shape(), &gelu[float32]{Exact: l.exact}, &gelu[float64]{Exact: l.exact}, x)
}

// Fwd is Forward in Gorgonia's composable form.
func (l *GELU) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On returns the layer itself, which works on every graph.
func (l *GELU) On(*G.ExprGraph, Mode) (Layer, error) { return l, nil }

// gelu is the kernel; in is x.
type gelu[T op.Float] cpu.GELU[T]

func (k *gelu[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	(*cpu.GELU[T])(k).Forward(out.Data, in[0].Data)
	return nil
}

func (k *gelu[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	(*cpu.GELU[T])(k).Backward(din[0].Data, in[0].Data, dout.Data)
	return nil
}
