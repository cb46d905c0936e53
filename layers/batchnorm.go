package layers

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/extent"
	"gorgonorm/internal/op"
)

// BatchNorm normalizes each feature of x, of shape (..., features), to mean 0 and variance 1
// over all rows (Ioffe & Szegedy 2015, arXiv 1502.03167). In training the statistics are the
// batch's own, over its N rows:
//
//	μ = Σ_rows x/N    σ² = Σ_rows (x−μ)²/N    x̂ = (x−μ)/√(σ²+eps)    y = γ·x̂ + β
//	running mean ← (1−momentum)·running mean + momentum·μ
//	running variance ← (1−momentum)·running variance + momentum·σ²·N/(N−1)
//
// In evaluation they are the running ones, which start at 0 and 1. Backward:
//
//	dγ = Σ_rows dy·x̂    dβ = Σ_rows dy
//	dx = γ·rstd·(dy − dβ/N − x̂·dγ/N)   with the batch's own statistics
//	dx = γ·rstd·dy                     with the running ones
//
// Values are those of torch.nn.BatchNorm1d and, with WithAxis(1), of BatchNorm2d and
// BatchNorm3d. The running statistics belong to the layer and all its placements. They change
// only when a training placement runs on a machine made without gorgonia.EvalMode, even if the
// machine runs the prediction alone, as on g.SubgraphRoots(y). They stay unchanged if a mean or
// variance of the batch is not finite in the layer's type; PyTorch's become NaN or infinite for
// good.
type BatchNorm struct {
	module
	features, axis int
	positions      int // 0: positions share their statistics
	eps            float64
	frozen         bool
	running        *running
	last           *Moments // of the placement's last batch
}

// NewBatchNorm returns a BatchNorm in training mode over the given number of features. Its
// learnables are weight (γ, initially 1) and bias (β, initially 0), of shape (features). Its state
// also has running_mean, running_var and num_batches_tracked. It takes WithName, WithDtype,
// WithEps (1e-5), WithAxis (-1, the last), WithMomentum (0.1), WithCumulativeAverage,
// WithBiasedVariance, WithoutTracking, WithFrozenStatistics, WithPositions, WithoutAffine,
// WithoutWeight, WithoutBias, WithWeightInit and WithBiasInit.
func NewBatchNorm(g *G.ExprGraph, features int, opts ...Option) (*BatchNorm, error) {
	c, err := configure("BatchNorm", opts, "WithDtype", "WithEps", "WithAxis",
		"WithMomentum", "WithCumulativeAverage", "WithBiasedVariance",
		"WithoutTracking", "WithFrozenStatistics", "WithPositions",
		"WithoutAffine", "WithoutWeight", "WithoutBias", "WithWeightInit", "WithBiasInit")
	if err != nil {
		return nil, err
	}
	if c.positions > 0 {
		unmade := module{kind: "BatchNorm", name: c.name} // an error leaves nothing on the graph
		if c.axis() != -1 && c.axis() != 2 {
			return nil, unmade.errorf("WithPositions needs the features last, not on axis %d", c.axis())
		}
		if _, err := extent.Of("the running mean", tensor.Shape{c.positions, max(features, 1)}); err != nil {
			return nil, unmade.errorf("%w", err)
		}
	}
	m, _, err := newNorm("BatchNorm", g, features, c)
	if err != nil {
		return nil, err
	}
	l := &BatchNorm{
		module:    m,
		features:  features,
		axis:      c.axis(),
		positions: c.positions,
		eps:       c.epsOr(1e-5),
		frozen:    c.frozen,
		last:      new(Moments),
	}
	if c.tracking {
		l.running = newRunning(features, c)
		l.track(l.running)
	}
	return l, nil
}

// RunningMean returns the layer's running mean, of shape (features) or, with WithPositions,
// (positions, features). It is the tensor that the layer uses, not a copy. It is nil with
// WithoutTracking.
func (l *BatchNorm) RunningMean() *tensor.Dense {
	if l.running == nil {
		return nil
	}
	return l.running.mean
}

// RunningVar returns the layer's running variance, as RunningMean does its mean.
func (l *BatchNorm) RunningVar() *tensor.Dense {
	if l.running == nil {
		return nil
	}
	return l.running.variance
}

// Moments returns the statistics of the last batch that this placement has normalized by the
// batch's own, for CombineMoments. Before the first such batch, their Count is 0. With a mask they
// are those of the rows that count. With WithPositions there are positions · features of them: each
// position's features in turn.
func (l *BatchNorm) Moments() Moments {
	if l.last == nil { // it is not from NewBatchNorm
		return Moments{}
	}
	return l.last.clone()
}

// Forward returns x normalized, in x's shape. x must have the features on their axis, and the
// layer's dtype and graph. Computing statistics over one row is an error, because their variance
// is zero whatever the row holds. A batch without rows yields a result without rows and leaves the
// running statistics unchanged. With WithPositions x has shape (batch, positions, features), and
// may have fewer positions in an Evaluation placement.
func (l *BatchNorm) Forward(x *G.Node) (*G.Node, error) {
	s, err := l.size(x)
	if err != nil {
		return nil, err
	}
	if l.ownStatistics() && s.outer*s.inner == 1 {
		return nil, l.errorf("needs 2 rows or more to compute statistics over, the input has 1 (shape %v)", x.Shape())
	}
	return l.apply(x.Shape(), newBatchNorm[float32](l, s), newBatchNorm[float64](l, s), l.with(x))
}

// ForwardMasked is Forward of the rows whose mask is not 0, for example for sentences of several
// lengths in one batch. The other rows do not take part in the statistics, their y and their
// gradient are 0, and they do not contribute to other gradients, whatever they hold. The mask is of
// type tensor.Int and has x's shape without the features' axis. If no row counts, y and all
// gradients are 0 and the running statistics stay unchanged. If a single row counts, computing
// statistics over it is an error when the graph runs.
func (l *BatchNorm) ForwardMasked(x, mask *G.Node) (*G.Node, error) {
	s, err := l.size(x)
	if err != nil {
		return nil, err
	}
	if l.positions > 0 {
		return nil, l.errorf("WithPositions and a mask cannot be combined")
	}
	if err := l.checkMask(x, mask, otherSizes(x.Shape(), fromFront(l.axis, x.Dims()))); err != nil {
		return nil, err
	}
	f32, f64 := newMaskedBatchNorm[float32](l, s), newMaskedBatchNorm[float64](l, s)
	return l.apply(x.Shape(), f32, f64, append(l.with(x), mask))
}

// apply adds the node. If it can evaluate as well as train, the machine's mode decides.
func (l *BatchNorm) apply(
	shape tensor.Shape, f32 op.Modal[float32], f64 op.Modal[float64], inputs []*G.Node,
) (*G.Node, error) {
	if l.running != nil && l.ownStatistics() {
		return op.ApplyModal(l.label(), shape, affineModal(&l.module, f32), affineModal(&l.module, f64), inputs...)
	}
	return op.Apply(l.label(), shape, affine(&l.module, f32), affine(&l.module, f64), inputs...)
}

// batchSize is the shape of x in the kernel, (outer, features, inner). With WithPositions, whose
// positions have statistics of their own, its features are the layer's positions × features.
type batchSize struct{ outer, features, inner int }

// size checks x.
func (l *BatchNorm) size(x *G.Node) (batchSize, error) {
	outer, inner, err := l.sizesAround(x, l.axis, l.features)
	if err != nil || l.positions == 0 {
		return batchSize{outer, l.features, inner}, err
	}
	shape := x.Shape()
	if len(shape) != 3 {
		return batchSize{}, l.errorf("input shape is %v, want (batch, %d, %d)", shape, l.positions, l.features)
	}
	if n := shape[1]; n != l.positions && (l.ownStatistics() || n > l.positions) {
		return batchSize{}, l.errorf("the input has %d positions, want %d (shape %v)", n, l.positions, shape)
	}
	return batchSize{shape[0], shape[1] * l.features, 1}, nil
}

// ownStatistics reports whether the layer normalizes by the batch's own statistics.
func (l *BatchNorm) ownStatistics() bool {
	return l.running == nil || l.mode == Training && !l.frozen
}

// Fwd is Forward in Gorgonia's composable form.
func (l *BatchNorm) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On returns the layer on another graph, or once more on its own, with the same learnables and
// running statistics. An Evaluation placement evaluates under every machine. A Training
// placement evaluates only under machines made with gorgonia.EvalMode.
func (l *BatchNorm) On(g *G.ExprGraph, mode Mode) (Layer, error) {
	c := *l
	c.last = new(Moments)
	return onGraph(c, g, mode)
}

// batchNorm is the kernel. Its inputs are x and, if present, γ and β.
type batchNorm[T op.Float] struct {
	norm          cpu.BatchNorm[T]
	features      int // of γ; with WithPositions, norm has more
	ownStatistics bool
	running       *running
	last          *Moments

	gamma, beta, dgamma, dbeta []T // of all positions, with WithPositions
}

// newBatchNorm returns a kernel of the layer. The one that is not of the layer's type never runs.
func newBatchNorm[T op.Float](l *BatchNorm, s batchSize) *batchNorm[T] {
	return &batchNorm[T]{
		norm:          cpu.BatchNorm[T]{Features: s.features, Inner: s.inner, Eps: l.eps},
		features:      l.features,
		ownStatistics: l.ownStatistics(),
		running:       l.running,
		last:          l.last,
	}
}

// SetTraining is called before each Forward of a placement that can train.
func (k *batchNorm[T]) SetTraining(training bool) { k.ownStatistics = training }

func (k *batchNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	return k.forward(out.Data, in[0].Data, gamma(in), beta(in))
}

func (k *batchNorm[T]) forward(y, x, gamma, beta []T) (err error) {
	var mean, variance []T // running
	if k.running != nil {
		if mean, variance, err = runningMemory[T](k.running); err != nil {
			return err
		}
	}
	gamma, beta = k.tile(&k.gamma, gamma), k.tile(&k.beta, beta)
	if !k.ownStatistics {
		k.norm.Evaluate(y, x, gamma, beta, mean, variance)
		return nil
	}
	k.norm.Forward(y, x, gamma, beta)
	rows := len(x) / k.norm.Features
	k.last.set(rows, k.norm.Mean, k.norm.Variance)
	if k.running != nil {
		mix(k.running, mean, variance, k.norm.Mean, k.norm.Variance, rows)
	}
	return nil
}

func (k *batchNorm[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	k.backward(din[0].Data, gamma(din), beta(din), in[0].Data, gamma(in), dout.Data)
	return nil
}

func (k *batchNorm[T]) backward(dx, dgamma, dbeta, x, gamma, dy []T) {
	tiledGamma, tiledBeta := k.tile(&k.dgamma, dgamma), k.tile(&k.dbeta, dbeta)
	k.norm.Backward(dx, tiledGamma, tiledBeta, x, k.tile(&k.gamma, gamma), dy)
	if k.positions() > 1 {
		k.sum(dgamma, tiledGamma)
		k.sum(dbeta, tiledBeta)
	}
}

// positions returns how many positions have statistics of their own.
func (k *batchNorm[T]) positions() int { return k.norm.Features / k.features }

// tile returns s once for each position.
func (k *batchNorm[T]) tile(scratch *[]T, s []T) []T {
	if s == nil || k.positions() == 1 {
		return s
	}
	*scratch = cpu.Grow(*scratch, k.norm.Features)
	for at := 0; at < k.norm.Features; at += k.features {
		copy((*scratch)[at:], s)
	}
	return *scratch
}

// sum writes to s the sum of its tiles.
func (k *batchNorm[T]) sum(s, tiles []T) {
	if s != nil {
		cpu.SumRows(s, tiles, k.positions(), k.features)
	}
}
