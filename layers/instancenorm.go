package layers

import (
	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// InstanceNorm normalizes each feature of each sample of x by itself, over all axes except the
// samples', axis 0, and the features', to mean 0 and variance 1 (Ulyanov, Vedaldi & Lempitsky 2016,
// arXiv 1607.08022). It is GroupNorm with a group for each feature, of M numbers:
//
//	μ = Σx/M    rstd = 1/√(Σ(x−μ)²/M + eps)    x̂ = (x−μ)·rstd    y = γ·x̂ + β
//
// Backward, with means over a sample's feature and sums over all axes except the features':
//
//	dx = γ·rstd·(dy − mean(dy) − x̂·mean(dy·x̂))    dγ = Σdy·x̂    dβ = Σdy
//
// The variance is the biased one. Values are those of torch.nn.functional.instance_norm, whose
// features are axis 1. InstanceNorm has γ and β by default, as every norm here, and PyTorch's
// modules do not. Statistics are the sample's own in training and in evaluation, which is also
// PyTorch's default. If M is 1, which PyTorch refuses in training, x̂ is 0.
//
// With WithTracking, training also changes running statistics, by means over the samples,
//
//	running mean ← (1−momentum)·running mean + momentum·mean(μ)
//	running variance ← (1−momentum)·running variance + momentum·mean(σ²)·M/(M−1)
//
// and evaluation normalizes every sample by them, as BatchNorm does, with dx = γ·rstd·dy. Here
// num_batches_tracked counts the batches; PyTorch leaves it at 0.
type InstanceNorm struct {
	GroupNorm
	running *running // nil without WithTracking
}

// NewInstanceNorm returns an InstanceNorm of the given number of features. Its learnables are weight
// (γ, initially 1) and bias (β, initially 0), of shape (features). With WithTracking its state also
// has running_mean, running_var and num_batches_tracked. It takes WithName, WithDtype, WithEps
// (1e-5), WithAxis (-1), WithUnbatched, WithTracking, WithMomentum (0.1), WithoutAffine,
// WithoutWeight, WithoutBias, WithWeightInit and WithBiasInit.
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

// Forward returns x normalized, in x's shape. x must have a samples' axis besides the features',
// except with WithUnbatched, and the layer's dtype and graph. With WithTracking, training on samples
// with one number for each feature is an error.
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
		f32, f64 := affine(m, byRunning[float32](l, s)), affine(m, byRunning[float64](l, s))
		return op.Apply(l.label(), x.Shape(), f32, f64, l.with(x)...)
	}
	if s.Outer*s.Inner == 1 {
		return nil, l.errorf("WithTracking needs 2 or more numbers of a feature in a sample, there is 1 (input shape %v)",
			x.Shape())
	}
	f32, f64 := newTrackedInstanceNorm[float32](l, s), newTrackedInstanceNorm[float64](l, s)
	return op.ApplyModal(l.label(), x.Shape(), affineModal(m, f32), affineModal(m, f64), l.with(x)...)
}

// ForwardMasked is GroupNorm's ForwardMasked. With WithTracking it is an error.
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

// byRunning returns BatchNorm's kernel, to evaluate by the running statistics. It takes the samples
// as rows.
func byRunning[T op.Float](l *InstanceNorm, s cpu.GroupShape) *batchNorm[T] {
	return &batchNorm[T]{
		norm:     cpu.BatchNorm[T]{Features: s.Features, Inner: s.Inner, Eps: l.eps},
		features: s.Features,
		running:  l.running,
	}
}

// trackedInstanceNorm is the kernel of a training placement with running statistics. Its inputs are
// x and, if present, γ and β.
type trackedInstanceNorm[T op.Float] struct {
	own        *groupNorm[T]
	evaluation *batchNorm[T]
	training   bool // whether the last Forward used own

	mean, variance []float64 // means over the samples
}

func newTrackedInstanceNorm[T op.Float](l *InstanceNorm, s cpu.GroupShape) *trackedInstanceNorm[T] {
	return &trackedInstanceNorm[T]{own: newGroupKernel[T](&l.GroupNorm, s), evaluation: byRunning[T](l, s)}
}

// SetTraining is called before each Forward.
func (k *trackedInstanceNorm[T]) SetTraining(training bool) { k.training = training }

func (k *trackedInstanceNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	if !k.training {
		return k.evaluation.Forward(out, in)
	}
	r, n := k.evaluation.running, &k.own.norm
	runningMean, runningVar, err := runningMemory[T](r)
	if err != nil {
		return err
	}
	if err := k.own.Forward(out, in); err != nil {
		return err
	}
	means, variances := n.FeatureMoments()
	k.mean, k.variance = meanRow(k.mean, means, n.Samples), meanRow(k.variance, variances, n.Samples)
	mix(r, runningMean, runningVar, k.mean, k.variance, n.Outer*n.Inner)
	return nil
}

func (k *trackedInstanceNorm[T]) Backward(din, in []op.Array[T], out, dout op.Array[T]) error {
	if !k.training {
		return k.evaluation.Backward(din, in, out, dout)
	}
	return k.own.Backward(din, in, out, dout)
}

// meanRow returns the mean of a matrix's rows, in mean's memory if it is large enough.
func meanRow(mean, matrix []float64, rows int) []float64 {
	cols := len(matrix) / rows
	mean = append(mean[:0], matrix[:cols]...)
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
