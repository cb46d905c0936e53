package layers

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// Linear is a fully connected layer over the last axis. It maps x of shape (..., in)
// to y of shape (..., out). With X and Y the rows of x and y:
//
//	Y = X·Wᵀ + b    dX = dY·W    dW = dYᵀ·X    db = Σ_rows dY
//
// W has shape (out, in), as in torch.nn.Linear.
type Linear struct {
	module
	in, out int
}

// NewLinear returns a Linear layer from in to out features. Its learnables are
// weight, of shape (out, in), from init (Normal, or any of Gorgonia's), and bias, of
// shape (out), from 0. It takes WithName, WithDtype, WithoutBias and WithBiasInit.
func NewLinear(g *G.ExprGraph, in, out int, init G.InitWFn, opts ...Option) (*Linear, error) {
	c, err := configure("Linear", opts, "WithDtype", "WithoutBias", "WithBiasInit")
	if err != nil {
		return nil, err
	}
	m, err := newModule("Linear", g, c)
	if err != nil {
		return nil, err
	}
	if in < 1 || out < 1 {
		return nil, m.errorf("maps %d features to %d, want 1 or more of each", in, out)
	}
	all := []learnable{{"weight", init, tensor.Shape{out, in}}}
	if c.bias {
		all = append(all, learnable{"bias", initOr(c.biasInit, constant(0)), tensor.Shape{out}})
	}
	if err := m.learnAll(all...); err != nil {
		return nil, err
	}
	return &Linear{module: m, in: in, out: out}, nil
}

// Forward returns y.
func (l *Linear) Forward(x *G.Node) (*G.Node, error) {
	if _, err := l.rows(x, l.in); err != nil {
		return nil, err
	}
	return op.Apply(l.label(), replaceLast(x.Shape(), l.out), linear[float32]{}, linear[float64]{}, l.with(x)...)
}

// Fwd is Forward in Gorgonia's composable form.
func (l *Linear) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On returns the layer on another graph, or once more on its own, with the same learnables.
// The mode makes no difference.
func (l *Linear) On(g *G.ExprGraph, mode Mode) (Layer, error) { return onGraph(*l, g, mode) }

// linear is the kernel; in is x, W and, if there is one, b.
type linear[T op.Float] struct{}

func (linear[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	w := in[1]
	cpu.Linear(out.Data, in[0].Data, w.Data, data(in, 2), w.Shape[1], w.Shape[0])
	return nil
}

func (linear[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	w := in[1]
	cpu.LinearBackward(din[0].Data, din[1].Data, data(din, 2), in[0].Data, w.Data, dout.Data, w.Shape[1], w.Shape[0])
	return nil
}
