package layers

import (
	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// GroupNorm normalizes each sample of x by itself, a group of neighbouring features at
// a time, to mean 0 and variance 1 (Wu & He 2018, arXiv 1803.08494). Axis 0 of x is the
// samples; the features are the last axis or, with WithAxis, another one but that, in
// as many groups of as many. A group's statistics are over its features and over all
// the axes that are neither, M numbers:
//
//	μ = Σx/M    rstd = 1/√(Σ(x−μ)²/M + eps)    x̂ = (x−μ)·rstd    y = γ·x̂ + β
//
// with γ and β an element a feature. Backward, with g = dy·γ and means over a sample's
// group:
//
//	dx = rstd·(g − mean(g) − x̂·mean(g·x̂))    dγ = Σdy·x̂    dβ = Σdy
//
// with sums over all axes but the features'. The variance is the biased one and values
// are those of torch.nn.functional.group_norm, whose features are axis 1. That refuses
// groups of one number, M = 1; here their x̂ is 0 and they have no gradient. With one
// group and x of shape (N, features) it is LayerNorm. μ and rstd are kept for the
// backward pass.
type GroupNorm struct {
	module
	groups, features, axis int
	unbatched              bool // of InstanceNorm: x has no axis of samples
	eps                    float64
}

// NewGroupNorm makes a GroupNorm of the given number of features in the given number of
// groups, which divides it. Learnables are weight (γ, from 1) and bias (β, from 0), of
// shape (features). It takes WithName, WithDtype, WithEps (1e-5), WithAxis (-1),
// WithoutAffine, WithoutWeight, WithoutBias, WithWeightInit and WithBiasInit.
func NewGroupNorm(g *G.ExprGraph, groups, features int, opts ...Option) (*GroupNorm, error) {
	c, err := configure("GroupNorm", opts, groupOptions...)
	if err != nil {
		return nil, err
	}
	return newGroupNorm("GroupNorm", g, groups, features, c)
}

// groupOptions are those that GroupNorm and InstanceNorm take.
var groupOptions = []string{"WithDtype", "WithEps", "WithAxis", "WithoutAffine", "WithoutWeight", "WithoutBias", "WithWeightInit", "WithBiasInit"}

func newGroupNorm(kind string, g *G.ExprGraph, groups, features int, c config) (*GroupNorm, error) {
	unmade := module{kind: kind, name: c.name} // an error leaves nothing on the graph
	if features > 0 && (groups < 1 || features%groups != 0) {
		return nil, unmade.errorf("groups is %d, want a divisor of %d features", groups, features)
	}
	if c.axis() == 0 && !c.unbatched {
		return nil, unmade.errorf("axis is 0, want another: that one is the samples'")
	}
	m, _, err := newNorm(kind, g, features, c)
	if err != nil {
		return nil, err
	}
	return &GroupNorm{module: m, groups: groups, features: features, axis: c.axis(), unbatched: c.unbatched, eps: c.epsOr(1e-5)}, nil
}

// Forward gives x normalized, in x's shape. x must have a samples' axis besides the
// features', be of the layer's dtype and stand on its graph.
func (l *GroupNorm) Forward(x *G.Node) (*G.Node, error) {
	s, err := l.size(x)
	if err != nil {
		return nil, err
	}
	return op.Apply(l.label(), x.Shape(), affine(&l.module, &groupNorm[float32]{groupShape: s}), affine(&l.module, &groupNorm[float64]{groupShape: s}), l.with(x)...)
}

// ForwardMasked is Forward where only the elements count whose mask is not 0, for example
// for images of several sizes in one batch. The others have no part in the statistics,
// their y is 0, and they get and give no gradient, whatever they hold. Where nothing in a
// sample's group counts, its y is 0. The mask is of type tensor.Int and has x's shape or,
// for whole positions, x's shape without the features' axis.
func (l *GroupNorm) ForwardMasked(x, mask *G.Node) (*G.Node, error) {
	s, err := l.size(x)
	if err != nil {
		return nil, err
	}
	size := l.features / l.groups
	return l.masked(x, mask, []int{fromFront(l.axis, x.Dims())}, cpu.Sets{
		Places:    cpu.NewPlaces([]int{s.samples, s.outer, s.groups, size, s.inner}, []int{0, 2}, []int{3, 1, 4}),
		Groups:    s.groups,
		Positions: s.outer * s.inner,
		Part:      size * s.outer * s.inner,
		Centred:   true,
		Eps:       s.eps,
	}, false)
}

// size checks x.
func (l *GroupNorm) size(x *G.Node) (groupShape, error) {
	before, after, err := l.channels(x, l.axis, l.features)
	if err != nil {
		return groupShape{}, err
	}
	s := groupShape{samples: 1, outer: before, features: l.features, inner: after, groups: l.groups, eps: l.eps}
	if l.unbatched {
		return s, nil
	}
	shape := x.Shape()
	if l.axis == -shape.Dims() || shape.Dims() == 1 {
		return groupShape{}, l.errorf("the features are axis 0, want samples there (input shape %v)", shape)
	}
	s.samples, s.outer = shape[0], before/max(1, shape[0])
	return s, nil
}

// Fwd is Forward in Gorgonia's composable form.
func (l *GroupNorm) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On returns the layer on another graph, or once more on its own, with the same learnables.
// The mode makes no difference.
func (l *GroupNorm) On(g *G.ExprGraph, mode Mode) (Layer, error) { return onGraph(*l, g, mode) }

// groupShape is how the kernel sees x: (samples, outer, features, inner).
type groupShape struct {
	samples, outer, features, inner, groups int
	eps                                     float64
}

// groupNorm is the kernel; in is x and, where they are, γ and β.
type groupNorm[T op.Float] struct {
	groupShape
	mean, shift, rstd []T
}

func (k *groupNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	n := k.samples * k.groups
	k.mean, k.shift, k.rstd = cpu.Grow(k.mean, n), cpu.Grow(k.shift, n), cpu.Grow(k.rstd, n)
	cpu.GroupNorm(out.Data, in[0].Data, gamma(in), beta(in), k.mean, k.shift, k.rstd, k.samples, k.outer, k.features, k.inner, k.groups, k.eps)
	return nil
}

func (k *groupNorm[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	cpu.GroupNormBackward(din[0].Data, gamma(din), beta(din), in[0].Data, gamma(in), k.mean, k.shift, k.rstd, dout.Data, k.samples, k.outer, k.features, k.inner, k.groups, k.eps)
	return nil
}
