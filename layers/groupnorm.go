package layers

import (
	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// GroupNorm normalizes each sample of x by itself, a group of neighbouring features at a time, to
// mean 0 and variance 1 (Wu & He 2018, arXiv 1803.08494). Axis 0 of x is the samples. The features
// are the last axis or, with WithAxis, another one except axis 0. They form groups of equal size. A
// group's statistics are over its features and over all other axes except the samples', M numbers:
//
//	μ = Σx/M    rstd = 1/√(Σ(x−μ)²/M + eps)    x̂ = (x−μ)·rstd    y = γ·x̂ + β
//
// γ and β have an element for each feature. Backward, with g = dy·γ and means over a sample's
// group:
//
//	dx = rstd·(g − mean(g) − x̂·mean(g·x̂))    dγ = Σdy·x̂    dβ = Σdy
//
// with sums over all axes except the features'. The variance is the biased one. Values are those of
// torch.nn.functional.group_norm, whose features are axis 1. PyTorch refuses groups of one number,
// M = 1; here their x̂ and their gradient are 0. With one group and x of shape (N, features),
// GroupNorm is LayerNorm. μ and rstd are kept for the backward pass.
type GroupNorm struct {
	module
	groups, features, axis int
	unbatched              bool // InstanceNorm's: x has no samples' axis
	eps                    float64
}

// NewGroupNorm returns a GroupNorm of the given number of features in the given number of groups,
// which must divide it. Its learnables are weight (γ, initially 1) and bias (β, initially 0), of
// shape (features). It takes WithName, WithDtype, WithEps (1e-5), WithAxis (-1), WithoutAffine,
// WithoutWeight, WithoutBias, WithWeightInit and WithBiasInit.
func NewGroupNorm(g *G.ExprGraph, groups, features int, opts ...Option) (*GroupNorm, error) {
	c, err := configure("GroupNorm", opts, groupOptions...)
	if err != nil {
		return nil, err
	}
	return newGroupNorm("GroupNorm", g, groups, features, c)
}

// groupOptions are the options that GroupNorm and InstanceNorm share.
var groupOptions = []string{
	"WithDtype", "WithEps", "WithAxis",
	"WithoutAffine", "WithoutWeight", "WithoutBias", "WithWeightInit", "WithBiasInit",
}

func newGroupNorm(kind string, g *G.ExprGraph, groups, features int, c config) (*GroupNorm, error) {
	unmade := module{kind: kind, name: c.name} // an error leaves nothing on the graph
	if features > 0 && (groups < 1 || features%groups != 0) {
		return nil, unmade.errorf("groups is %d, want a divisor of %d features", groups, features)
	}
	if c.axis() == 0 && !c.unbatched {
		return nil, unmade.errorf("axis is 0, which is the samples', want another")
	}
	m, _, err := newNorm(kind, g, features, c)
	if err != nil {
		return nil, err
	}
	return &GroupNorm{
		module:    m,
		groups:    groups,
		features:  features,
		axis:      c.axis(),
		unbatched: c.unbatched,
		eps:       c.epsOr(1e-5),
	}, nil
}

// Forward returns x normalized, in x's shape. x must have a samples' axis besides the features', and
// the layer's dtype and graph.
func (l *GroupNorm) Forward(x *G.Node) (*G.Node, error) {
	s, err := l.size(x)
	if err != nil {
		return nil, err
	}
	m := &l.module
	f32, f64 := affine(m, newGroupKernel[float32](l, s)), affine(m, newGroupKernel[float64](l, s))
	return op.Apply(l.label(), x.Shape(), f32, f64, l.with(x)...)
}

// ForwardMasked is Forward of the elements whose mask is not 0, for example for images of several
// sizes in one batch. The other elements do not take part in the statistics, their y and their
// gradient are 0, and they do not contribute to other gradients, whatever they hold. If no element
// of a sample's group counts, y is 0 in the whole group. The mask is of type tensor.Int and has x's
// shape or, to mask whole positions, x's shape without the features' axis.
func (l *GroupNorm) ForwardMasked(x, mask *G.Node) (*G.Node, error) {
	s, err := l.size(x)
	if err != nil {
		return nil, err
	}
	size := l.features / l.groups
	shape := []int{s.Samples, s.Outer, s.Groups, size, s.Inner}
	return l.masked(x, mask, []int{fromFront(l.axis, x.Dims())}, cpu.Sets{
		Places:    cpu.NewPlaces(shape, []int{0, 2}, []int{3, 1, 4}),
		Groups:    s.Groups,
		Positions: s.Outer * s.Inner,
		Part:      size * s.Outer * s.Inner,
		Centred:   true,
		Eps:       l.eps,
	}, false)
}

// size checks x.
func (l *GroupNorm) size(x *G.Node) (cpu.GroupShape, error) {
	outer, inner, err := l.sizesAround(x, l.axis, l.features)
	if err != nil {
		return cpu.GroupShape{}, err
	}
	s := cpu.GroupShape{Samples: 1, Outer: outer, Features: l.features, Inner: inner, Groups: l.groups}
	if l.unbatched {
		return s, nil
	}
	shape := x.Shape()
	if l.axis == -shape.Dims() || shape.Dims() == 1 {
		return cpu.GroupShape{}, l.errorf("the features are axis 0, want samples there (input shape %v)", shape)
	}
	s.Samples, s.Outer = shape[0], outer/max(1, shape[0])
	return s, nil
}

// Fwd is Forward in Gorgonia's composable form.
func (l *GroupNorm) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On returns the layer on another graph, or once more on its own, with the same learnables.
// The mode makes no difference.
func (l *GroupNorm) On(g *G.ExprGraph, mode Mode) (Layer, error) { return onGraph(*l, g, mode) }

// groupNorm is the kernel. Its inputs are x and, if present, γ and β.
type groupNorm[T op.Float] struct{ norm cpu.GroupNorm[T] }

func newGroupKernel[T op.Float](l *GroupNorm, s cpu.GroupShape) *groupNorm[T] {
	return &groupNorm[T]{cpu.GroupNorm[T]{GroupShape: s, Eps: l.eps}}
}

func (k *groupNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	k.norm.Forward(out.Data, in[0].Data, gamma(in), beta(in))
	return nil
}

func (k *groupNorm[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	k.norm.Backward(din[0].Data, gamma(din), beta(din), in[0].Data, gamma(in), dout.Data)
	return nil
}
