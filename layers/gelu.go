package layers

import (
	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// GELU is the tanh form of the Gaussian error linear unit, elementwise on any
// shape (Hendrycks & Gimpel 2016, arXiv 1606.08415):
//
//	y = x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))
//
// It has no learnables and works on every graph.
type GELU struct {
	module
}

// NewGELU makes a GELU. It takes WithName.
func NewGELU(opts ...Option) (*GELU, error) {
	m, err := newStateless("GELU", opts)
	return &GELU{m}, err
}

// newStateless makes a layer without learnables, which needs no graph.
func newStateless(kind string, opts []Option) (module, error) {
	c, err := configure(kind, opts)
	if c.name == "" {
		c.name = kind
	}
	return module{kind: kind, name: c.name}, err
}

// Forward gives GELU of each element, in x's shape.
func (l *GELU) Forward(x *G.Node) (*G.Node, error) {
	if err := l.check(x); err != nil {
		return nil, err
	}
	return op.Apply(l.label(), x.Shape(), &gelu[float32]{}, &gelu[float64]{}, x)
}

// Fwd is Forward in Gorgonia's composable form.
func (l *GELU) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On gives the layer itself.
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
