package layers

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// Linear is a fully connected layer over the last axis: x of shape (..., in)
// gives (..., out). With X the rows of x:
//
//	Y = X·Wᵀ + b    dX = dY·W    dW = dYᵀ·X    db = Σ_rows dY
//
// W has shape (out, in), as in torch.nn.Linear.
type Linear struct {
	module
	in, out int
}

// NewLinear makes a Linear layer from in to out features. Learnables are weight,
// of shape (out, in), from init (Normal, or any of Gorgonia's), and bias, of
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

// Forward maps x's last axis from in to out features.
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

func sizes[T op.Float](in []op.Array[T]) (rows, nin, nout int) {
	nout, nin = in[1].Shape[0], in[1].Shape[1]
	return len(in[0].Data) / nin, nin, nout
}

func (linear[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	rows, nin, nout := sizes(in)
	cpu.GemmBias(false, true, rows, nout, nin, 1, in[0].Data, nin, in[1].Data, nin, 0, out.Data, nout, data(in, 2))
	return nil
}

func (linear[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	rows, nin, nout := sizes(in)
	cpu.Gemm(false, false, rows, nin, nout, 1, dout.Data, nout, in[1].Data, nin, 0, din[0].Data, nin)
	cpu.Gemm(true, false, nout, nin, rows, 1, dout.Data, nout, in[0].Data, nin, 0, din[1].Data, nin)
	if db := data(din, 2); db != nil {
		cpu.SumRows(db, dout.Data, rows, nout)
	}
	return nil
}
