package layers

import (
	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// InstanceNorm normalizes each feature of each sample of x by itself, over all axes but
// the samples', axis 0, and the features', to mean 0 and variance 1 (Ulyanov, Vedaldi &
// Lempitsky 2016, arXiv 1607.08022). It is GroupNorm with a group a feature, over M
// numbers each:
//
//	μ = Σx/M    rstd = 1/√(Σ(x−μ)²/M + eps)    x̂ = (x−μ)·rstd    y = γ·x̂ + β
//
// Backward, with means over a sample's feature and sums over all axes but the features':
//
//	dx = γ·rstd·(dy − mean(dy) − x̂·mean(dy·x̂))    dγ = Σdy·x̂    dβ = Σdy
//
// The variance is the biased one and values are those of
// torch.nn.functional.instance_norm, whose features are axis 1. PyTorch's modules have
// no γ and β unless asked; here they are there, as in every norm, unless WithoutAffine
// leaves them out. Statistics are the sample's own in training and in evaluation, as
// PyTorch's are by default. Where M is 1, which PyTorch refuses in training, x̂ is 0.
//
// With WithTracking, training also changes running statistics, by means over the samples,
//
//	running mean ← (1−momentum)·running mean + momentum·mean(μ)
//	running variance ← (1−momentum)·running variance + momentum·mean(σ²)·M/(M−1)
//
// and evaluation normalizes every sample by those, as BatchNorm does, with dx =
// γ·rstd·dy. (PyTorch leaves num_batches_tracked at 0; here it counts.)
type InstanceNorm struct {
	GroupNorm
	running *running // nil without WithTracking
}

// NewInstanceNorm makes an InstanceNorm of the given number of features. Learnables are
// weight (γ, from 1) and bias (β, from 0), of shape (features); with WithTracking its
// state also has running_mean, running_var and num_batches_tracked. It takes WithName,
// WithDtype, WithEps (1e-5), WithAxis (-1), WithUnbatched, WithTracking, WithMomentum
// (0.1), WithoutAffine, WithoutWeight, WithoutBias, WithWeightInit and WithBiasInit.
func NewInstanceNorm(g *G.ExprGraph, features int, opts ...Option) (*InstanceNorm, error) {
	c, err := configure("InstanceNorm", opts, append(groupOptions, "WithUnbatched", "WithTracking", "WithMomentum")...)
	if err != nil {
		return nil, err
	}
	norm, err := newGroupNorm("InstanceNorm", g, features, features, c)
	if err != nil {
		return nil, err
	}
	l := &InstanceNorm{GroupNorm: *norm}
	if c.instanceTracking {
		l.running = newRunning(features, c)
		l.track(l.running)
	}
	return l, nil
}

// Forward gives x normalized, in x's shape. x must have a samples' axis besides the
// features', except with WithUnbatched, be of the layer's dtype and stand on its graph. In
// training, tracking statistics of a single number for each feature is an error.
func (l *InstanceNorm) Forward(x *G.Node) (*G.Node, error) {
	if l.running == nil {
		return l.GroupNorm.Forward(x)
	}
	s, err := l.size(x)
	if err != nil {
		return nil, err
	}
	m := &l.module
	if l.mode == Evaluation {
		return op.Apply(l.label(), x.Shape(), affine(m, byRunning[float32](s, l.running)), affine(m, byRunning[float64](s, l.running)), l.with(x)...)
	}
	if s.outer*s.inner == 1 {
		return nil, l.errorf("needs 2 numbers or more of each feature to track statistics of, a sample has 1 (input shape %v)", x.Shape())
	}
	return op.ApplyModal(l.label(), x.Shape(),
		affineModal(m, newTrackedInstanceNorm[float32](s, l.running)), affineModal(m, newTrackedInstanceNorm[float64](s, l.running)), l.with(x)...)
}

// ForwardMasked is GroupNorm's. With WithTracking it is an error.
func (l *InstanceNorm) ForwardMasked(x, mask *G.Node) (*G.Node, error) {
	if l.running != nil {
		return nil, l.errorf("WithTracking and a mask cannot be combined")
	}
	return l.GroupNorm.ForwardMasked(x, mask)
}

// Fwd is Forward in Gorgonia's composable form.
func (l *InstanceNorm) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On returns the layer on another graph, or once more on its own, with the same learnables and
// running statistics. The mode makes a difference with WithTracking alone.
func (l *InstanceNorm) On(g *G.ExprGraph, mode Mode) (Layer, error) { return onGraph(*l, g, mode) }

// byRunning returns BatchNorm's evaluation kernel, for which samples are rows.
func byRunning[T op.Float](s groupShape, r *running) *batchNorm[T] {
	return &batchNorm[T]{batchSize: batchSize{s.samples * s.outer, s.features, s.inner}, features: s.features, eps: s.eps, running: r}
}

// trackedInstanceNorm is the kernel of a training placement with running statistics; in
// is x and, where they are, γ and β.
type trackedInstanceNorm[T op.Float] struct {
	own        groupNorm[T]
	evaluation *batchNorm[T]
	training   bool // in the last Forward

	mean, variance []float64 // of each sample's features, and in the first of each the means
}

func newTrackedInstanceNorm[T op.Float](s groupShape, r *running) *trackedInstanceNorm[T] {
	return &trackedInstanceNorm[T]{own: groupNorm[T]{groupShape: s}, evaluation: byRunning[T](s, r)}
}

// SetTraining is called before each Forward.
func (k *trackedInstanceNorm[T]) SetTraining(training bool) { k.training = training }

func (k *trackedInstanceNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	if !k.training {
		return k.evaluation.Forward(out, in)
	}
	s, r := k.own.groupShape, k.evaluation.running
	runningMean, runningVar, err := runningMemory[T](r)
	if err != nil {
		return err
	}
	n := s.samples * s.features
	k.mean, k.variance = cpu.Grow(k.mean, n), cpu.Grow(k.variance, n)
	cpu.ChannelMoments(k.mean, k.variance, in[0].Data, s.samples, s.outer, s.features, s.inner)
	mix(r, runningMean, runningVar, means(k.mean, s.samples), means(k.variance, s.samples), s.outer*s.inner)
	return k.own.Forward(out, in)
}

func (k *trackedInstanceNorm[T]) Backward(din, in []op.Array[T], out, dout op.Array[T]) error {
	if !k.training {
		return k.evaluation.Backward(din, in, out, dout)
	}
	return k.own.Backward(din, in, out, dout)
}

// means makes the first row of a matrix the mean of all rows, and returns it.
func means(matrix []float64, rows int) []float64 {
	cols := len(matrix) / rows
	mean := matrix[:cols]
	for at := cols; at < len(matrix); at += cols {
		for j, v := range matrix[at : at+cols] {
			mean[j] += v
		}
	}
	for j := range mean {
		mean[j] /= float64(rows)
	}
	return mean
}
