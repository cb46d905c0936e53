package layers

import (
	"errors"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// BatchNorm normalizes each feature of x, of shape (..., features), to mean 0
// and variance 1 over all rows (Ioffe & Szegedy 2015, arXiv 1502.03167). In
// training the statistics are the batch's own, over its N rows:
//
//	μ = Σ_rows x/N    σ² = Σ_rows (x−μ)²/N    x̂ = (x−μ)/√(σ²+eps)    y = γ·x̂ + β
//	running mean ← (1−momentum)·running mean + momentum·μ
//	running variance ← (1−momentum)·running variance + momentum·σ²·N/(N−1)
//
// and in evaluation they are the running ones, which start at 0 and 1. Backward:
//
//	dγ = Σ_rows dy·x̂    dβ = Σ_rows dy
//	dx = γ·rstd·(dy − dβ/N − x̂·dγ/N)   in training
//	dx = γ·rstd·dy                     in evaluation
//
// Values are those of torch.nn.BatchNorm1d over a (N, features) input. The
// running statistics belong to the layer and to all its placements; only running
// a training graph changes them.
type BatchNorm struct {
	module
	features                int
	eps, momentum           float64
	mode                    Mode
	runningMean, runningVar *tensor.Dense // of shape (features)
}

// NewBatchNorm makes a BatchNorm in training mode over the given number of
// features. Learnables are weight (γ, from 1) and bias (β, from 0), of shape
// (features). It takes WithName, WithDtype, WithEps, WithMomentum and
// WithoutBias.
func NewBatchNorm(g *G.ExprGraph, features int, opts ...Option) (*BatchNorm, error) {
	c, err := configure("BatchNorm", opts, "WithDtype", "WithEps", "WithMomentum", "WithoutBias")
	if err != nil {
		return nil, err
	}
	m, _, err := newNorm("BatchNorm", g, features, c)
	if err != nil {
		return nil, err
	}
	statistic := func(v float64) *tensor.Dense {
		return tensor.New(tensor.WithShape(features), tensor.WithBacking(constant(v)(c.dtype, features)))
	}
	l := &BatchNorm{
		module:      m,
		features:    features,
		eps:         c.epsOr(1e-5),
		momentum:    c.momentum,
		runningMean: statistic(0),
		runningVar:  statistic(1),
	}
	l.buffer("running_mean", l.runningMean)
	l.buffer("running_var", l.runningVar)
	return l, nil
}

// RunningMean is the layer's running mean, of shape (features): the tensor it
// works with, not a copy.
func (l *BatchNorm) RunningMean() *tensor.Dense { return l.runningMean }

// RunningVar is the layer's running variance, of shape (features): the tensor it
// works with, not a copy.
func (l *BatchNorm) RunningVar() *tensor.Dense { return l.runningVar }

// Forward gives x normalized, in x's shape. In training a batch of one row is an
// error: its variance is zero, whatever it holds.
func (l *BatchNorm) Forward(x *G.Node) (*G.Node, error) {
	rows, err := l.rows(x, l.features)
	if err != nil {
		return nil, err
	}
	if l.mode == Training && rows < 2 {
		return nil, l.errorf("training needs 2 rows or more to take statistics over, the input has %d (shape %v)", rows, x.Shape())
	}
	return op.Apply(l.label(), x.Shape(), newBatchNorm[float32](l), newBatchNorm[float64](l), l.with(x)...)
}

// Fwd is Forward in Gorgonia's composable form.
func (l *BatchNorm) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On places the layer on another graph in the given mode, with the same weights
// and running statistics.
func (l *BatchNorm) On(g *G.ExprGraph, mode Mode) (Layer, error) {
	m, err := l.on(g)
	if err != nil {
		return nil, err
	}
	c := *l
	c.module, c.mode = m, mode
	return &c, nil
}

// batchNorm is the kernel; in is x, γ and, if there is one, β.
type batchNorm[T op.Float] struct {
	eps, momentum           float64
	mode                    Mode
	evalMachine             bool // a machine made with EvalMode runs this training graph
	runningMean, runningVar []T

	mean, variance []float64 // of the last forward pass
}

// newBatchNorm makes the kernel of the layer's element type; one of the other
// type is never run and has no statistics.
func newBatchNorm[T op.Float](l *BatchNorm) *batchNorm[T] {
	mean, _ := l.runningMean.Data().([]T)
	variance, _ := l.runningVar.Data().([]T)
	return &batchNorm[T]{eps: l.eps, momentum: l.momentum, mode: l.mode, runningMean: mean, runningVar: variance}
}

// SetTraining is called by a new machine for every operation on its graph. The
// mode belongs to the graph; all that is left is to notice a machine that
// believes otherwise.
func (k *batchNorm[T]) SetTraining(training bool) error {
	if !training && k.mode == Training {
		k.evalMachine = true
	}
	return nil
}

var errEvalMachine = errors.New("a machine made with gorgonia.EvalMode has been set on a training graph, whose mode it cannot change for itself alone: " +
	"build an evaluation graph and place the layer there with On(g, layers.Evaluation)")

func (k *batchNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	if k.evalMachine {
		return errEvalMachine
	}
	cols := len(k.runningMean)
	rows := len(in[0].Data) / cols
	k.mean, k.variance = cpu.Grow(k.mean, cols), cpu.Grow(k.variance, cols)
	if k.mode == Training {
		cpu.BatchNorm(out.Data, in[0].Data, gamma(in), beta(in), k.mean, k.variance, rows, cols, 1, k.eps)
		k.track(rows)
		return nil
	}
	for j, m := range k.runningMean {
		k.mean[j], k.variance[j] = float64(m), float64(k.runningVar[j])
	}
	cpu.ColumnNorm(out.Data, in[0].Data, gamma(in), beta(in), k.mean, k.variance, rows, cols, 1, k.eps)
	return nil
}

// track takes the batch's statistics into the running ones.
func (k *batchNorm[T]) track(rows int) {
	unbiased := float64(rows) / float64(rows-1)
	for j, mean := range k.mean {
		k.runningMean[j] = T((1-k.momentum)*float64(k.runningMean[j]) + k.momentum*mean)
		k.runningVar[j] = T((1-k.momentum)*float64(k.runningVar[j]) + k.momentum*k.variance[j]*unbiased)
	}
}

func (k *batchNorm[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	cols := len(k.runningMean)
	rows := len(in[0].Data) / cols
	cpu.ColumnNormBackward(din[0].Data, gamma(din), beta(din), in[0].Data, gamma(in), k.mean, k.variance, dout.Data, rows, cols, 1, k.eps, k.mode == Training)
	return nil
}
