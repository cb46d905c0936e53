package layers

import (
	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// Residual is a residual connection (He et al. 2015, arXiv 1512.03385): the sum
// of the input and the output of a branch, or of any two nodes of one shape.
//
//	y = x + branch    dx = dy    dbranch = dy
//
// It has no learnables and works on every graph.
type Residual struct {
	module
}

// NewResidual returns a Residual. It takes WithName.
func NewResidual(opts ...Option) (*Residual, error) {
	m, err := newStateless("Residual", opts)
	return &Residual{m}, err
}

// Forward returns x + branch, in their shape.
func (l *Residual) Forward(x, branch *G.Node) (*G.Node, error) {
	if err := l.checkBoth(x, branch); err != nil {
		return nil, err
	}
	return op.ApplySum(l.label(), residual[float32]{}, residual[float64]{}, x, branch)
}

// checkBoth returns an error unless x and the branch can be added.
func (l *Residual) checkBoth(x, branch *G.Node) error {
	if err := l.check(x); err != nil {
		return err
	}
	if err := l.check(branch); err != nil {
		return err
	}
	if x.Dtype() != branch.Dtype() {
		return l.errorf("the branch is of type %v, want %v as the input", branch.Dtype(), x.Dtype())
	}
	if !x.Shape().Eq(branch.Shape()) {
		return l.errorf("the branch has shape %v, want %v as the input", branch.Shape(), x.Shape())
	}
	return nil
}

// Fwd is Forward in Gorgonia's composable form; x holds the input and the branch.
func (l *Residual) Fwd(x G.Input) G.Result {
	if x == nil {
		return G.Err(l.errorf("the input is nil"))
	}
	if err := G.CheckOne(x); err != nil {
		return G.Err(err)
	}
	n := x.Nodes()
	if len(n) != 2 {
		return G.Err(l.errorf("got %d nodes, want 2: input and branch", len(n)))
	}
	return G.LiftResult(l.Forward(n[0], n[1]))
}

// residual is the kernel; in is x and the branch.
type residual[T op.Float] struct{}

func (residual[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	cpu.Add(out.Data, in[0].Data, in[1].Data)
	return nil
}

func (residual[T]) Backward(din, _ []op.Array[T], _, dout op.Array[T]) error {
	copy(din[0].Data, dout.Data)
	copy(din[1].Data, dout.Data)
	return nil
}
