package layers

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// Embedding maps ids to rows of a table: ids of shape (...), of type
// tensor.Int, become (..., features). The gradient of a row is the sum of dy over
// the row's uses.
type Embedding struct {
	module
	count, features int
}

// NewEmbedding returns an Embedding of count rows. Its learnable is weight, of
// shape (count, features), from init. It takes WithName and WithDtype.
func NewEmbedding(g *G.ExprGraph, count, features int, init G.InitWFn, opts ...Option) (*Embedding, error) {
	c, err := configure("Embedding", opts, "WithDtype")
	if err != nil {
		return nil, err
	}
	m, err := newModule("Embedding", g, c)
	if err != nil {
		return nil, err
	}
	if count < 1 || features < 1 {
		return nil, m.errorf("has %d rows of %d features, want 1 or more of each", count, features)
	}
	if err := m.learn("weight", init, count, features); err != nil {
		return nil, err
	}
	return &Embedding{module: m, count: count, features: features}, nil
}

// Forward returns the rows of ids. An id outside [0, count) is an error when the graph
// runs.
func (l *Embedding) Forward(ids *G.Node) (*G.Node, error) {
	if err := l.check(ids); err != nil {
		return nil, err
	}
	if len(l.learnables) == 0 {
		return nil, l.errorf("is not from NewEmbedding")
	}
	if ids.Dtype() != tensor.Int {
		return nil, l.errorf("ids are of type %v, want int", ids.Dtype())
	}
	shape := append(ids.Shape(), l.features)
	return op.Apply(l.label(), shape, embedding[float32]{}, embedding[float64]{}, ids, l.learnables[0])
}

// Attend returns logits x·Wᵀ of shape (..., count) for x of shape (..., features). It
// uses the table as an output layer that shares its weight with the embedding of the input.
func (l *Embedding) Attend(x *G.Node) (*G.Node, error) {
	if _, err := l.rows(x, l.features); err != nil {
		return nil, err
	}
	shape := replaceLast(x.Shape(), l.count)
	return op.Apply(l.label()+" head", shape, linear[float32]{}, linear[float64]{}, l.with(x)...)
}

// Fwd is Forward in Gorgonia's composable form.
func (l *Embedding) Fwd(ids G.Input) G.Result { return fwd(l, ids) }

// On returns the layer on another graph, or once more on its own, with the same learnables.
// The mode makes no difference.
func (l *Embedding) On(g *G.ExprGraph, mode Mode) (Layer, error) { return onGraph(*l, g, mode) }

// embedding is the kernel; in is the ids and the table.
type embedding[T op.Float] struct{}

func (embedding[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	count, cols := in[1].Shape[0], in[1].Shape[1]
	if err := inRange("id", in[0].Ints, count); err != nil {
		return err
	}
	cpu.Gather(out.Data, in[1].Data, in[0].Ints, cols)
	return nil
}

func (embedding[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	cpu.GatherBackward(din[1].Data, dout.Data, in[0].Ints, in[1].Shape[1])
	return nil
}
