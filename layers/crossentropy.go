package layers

import (
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// CrossEntropy is the mean over all tokens of −log softmax(logits)[target], in
// nats. It is one operation that includes the log-softmax, as
// torch.nn.functional.cross_entropy is. Logits have shape (..., classes) and
// targets, of type tensor.Int, the same shape without the last axis. The loss is
// a scalar.
//
//	dlogits = (softmax(logits) − onehot(target))·dloss/tokens
type CrossEntropy struct {
	module
}

// NewCrossEntropy returns a CrossEntropy. It takes WithName.
func NewCrossEntropy(opts ...Option) (*CrossEntropy, error) {
	m, err := newStateless("CrossEntropy", opts)
	return &CrossEntropy{m}, err
}

// Forward returns the loss. It is NaN if there are no tokens, as in PyTorch. A target outside
// [0, classes) is an error when the graph runs.
func (l *CrossEntropy) Forward(logits, targets *G.Node) (*G.Node, error) {
	if err := l.check(logits); err != nil {
		return nil, err
	}
	if err := l.check(targets); err != nil {
		return nil, err
	}
	s, t := logits.Shape(), targets.Shape()
	if targets.Dtype() != tensor.Int {
		return nil, l.errorf("targets are of type %v, want int", targets.Dtype())
	}
	if s.Dims() != t.Dims()+1 || !s[:t.Dims()].Eq(t) {
		return nil, l.errorf("targets have shape %v, want %v (logits have shape %v)", t, s[:max(0, s.Dims()-1)], s)
	}
	f32, f64 := &crossEntropy[float32]{}, &crossEntropy[float64]{}
	return op.Apply(l.label(), tensor.ScalarShape(), f32, f64, logits, targets)
}

// Fwd is Forward in Gorgonia's composable form; x holds logits and targets.
func (l *CrossEntropy) Fwd(x G.Input) G.Result {
	if x == nil {
		return G.Err(l.errorf("the input is nil"))
	}
	if err := G.CheckOne(x); err != nil {
		return G.Err(err)
	}
	n := x.Nodes()
	if len(n) != 2 {
		return G.Err(l.errorf("got %d nodes, want 2: logits and targets", len(n)))
	}
	return G.LiftResult(l.Forward(n[0], n[1]))
}

// crossEntropy is the kernel; in is the logits and the targets.
type crossEntropy[T op.Float] cpu.CrossEntropy[T]

func (k *crossEntropy[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	logits, targets := in[0].Data, in[1].Ints
	if len(targets) == 0 {
		out.Data[0] = T(math.NaN())
		return nil
	}
	classes := len(logits) / len(targets)
	if err := inRange("target", targets, classes); err != nil {
		return err
	}
	out.Data[0] = (*cpu.CrossEntropy[T])(k).Forward(logits, targets, classes)
	return nil
}

func (k *crossEntropy[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	if targets := in[1].Ints; len(targets) > 0 {
		(*cpu.CrossEntropy[T])(k).Backward(din[0].Data, targets, dout.Data[0])
	}
	return nil
}
