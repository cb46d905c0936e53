package layers

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/extent"
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
//	dx = γ·rstd·(dy − dβ/N − x̂·dγ/N)   where the statistics are the batch's own
//	dx = γ·rstd·dy                     where they are the running ones
//
// Values are those of torch.nn.BatchNorm1d and, with WithAxis(1), of BatchNorm2d and
// 3d. The running statistics belong to the layer and to all its placements; only
// running a training placement on a machine made without gorgonia.EvalMode changes them.
// That includes a machine that runs the prediction alone, as on g.SubgraphRoots(y). A
// batch of which a mean or a variance is not finite in the layer's type leaves them as
// they are, where PyTorch's become NaN or infinite for good.
type BatchNorm struct {
	module
	features, axis int
	positions      int // 0: statistics are over all rows
	eps            float64
	frozen         bool
	running        *running
	last           *Moments // of the placement's last batch
}

// NewBatchNorm makes a BatchNorm in training mode over the given number of
// features. Learnables are weight (γ, from 1) and bias (β, from 0), of shape
// (features); its state has running_mean, running_var and num_batches_tracked
// besides. It takes WithName, WithDtype, WithEps (1e-5), WithAxis (-1, the last),
// WithMomentum (0.1), WithCumulativeAverage, WithBiasedVariance, WithoutTracking,
// WithFrozenStatistics, WithPositions, WithoutAffine, WithoutWeight, WithoutBias,
// WithWeightInit and WithBiasInit.
func NewBatchNorm(g *G.ExprGraph, features int, opts ...Option) (*BatchNorm, error) {
	c, err := configure("BatchNorm", opts, "WithDtype", "WithEps", "WithAxis", "WithMomentum", "WithCumulativeAverage", "WithBiasedVariance",
		"WithoutTracking", "WithFrozenStatistics", "WithPositions", "WithoutAffine", "WithoutWeight", "WithoutBias", "WithWeightInit", "WithBiasInit")
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

// RunningMean is the layer's running mean, of shape (features), or with
// WithPositions (positions, features): the tensor it works with, not a copy. It is
// nil with WithoutTracking.
func (l *BatchNorm) RunningMean() *tensor.Dense {
	if l.running == nil {
		return nil
	}
	return l.running.mean
}

// RunningVar is the layer's running variance, as RunningMean is its mean.
func (l *BatchNorm) RunningVar() *tensor.Dense {
	if l.running == nil {
		return nil
	}
	return l.running.variance
}

// Moments are the statistics of the last batch that this placement has normalized by
// the batch's own, for CombineMoments; their Count is 0 before. Under a mask they are
// of the rows that count, and with WithPositions of each position's features in turn.
func (l *BatchNorm) Moments() Moments { return l.last.clone() }

// Forward gives x normalized, in x's shape. x must have the features on their axis, be of
// the layer's dtype and stand on its graph. To take statistics over one row is an error:
// the variance is zero, whatever it holds. A batch without rows gives a result without
// rows and leaves the running statistics as they are. With WithPositions x has shape
// (batch, positions, features), and may have fewer positions in an Evaluation placement.
func (l *BatchNorm) Forward(x *G.Node) (*G.Node, error) {
	s, err := l.size(x)
	if err != nil {
		return nil, err
	}
	if l.ownStatistics() && s.outer*s.inner == 1 {
		return nil, l.errorf("needs 2 rows or more to take statistics over, the input has 1 (shape %v)", x.Shape())
	}
	return l.apply(x.Shape(), newBatchNorm[float32](l, s), newBatchNorm[float64](l, s), l.with(x))
}

// ForwardMasked is Forward where only the rows count whose mask is not 0, for example for
// sentences of several lengths in one batch. The others have no part in the statistics,
// their y is 0, and they get and give no gradient, whatever they hold. The
// mask is of type tensor.Int and has x's shape without the feature axis. A mask that
// leaves no row gives y = 0 and no gradient, and the running statistics stay as they are;
// one that leaves a single row to take statistics over is an error when the graph runs.
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
	return l.apply(x.Shape(), newMaskedBatchNorm[float32](l, s), newMaskedBatchNorm[float64](l, s), append(l.with(x), mask))
}

// apply adds the node. Where running statistics can take the place of the batch's, the
// machine's mode decides.
func (l *BatchNorm) apply(shape tensor.Shape, f32 op.Modal[float32], f64 op.Modal[float64], inputs []*G.Node) (*G.Node, error) {
	if l.running != nil && l.ownStatistics() {
		return op.ApplyModal(l.label(), shape, affineModal(&l.module, f32), affineModal(&l.module, f64), inputs...)
	}
	return op.Apply(l.label(), shape, affine(&l.module, f32), affine(&l.module, f64), inputs...)
}

// batchSize is x as the kernel sees it, (outer, channels, inner), with statistics of
// each channel.
type batchSize struct{ outer, channels, inner int }

func (l *BatchNorm) size(x *G.Node) (batchSize, error) {
	before, after, err := l.channels(x, l.axis, l.features)
	if err != nil || l.positions == 0 {
		return batchSize{before, l.features, after}, err
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
