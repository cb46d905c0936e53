package layers

import (
	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// ScaleNorm scales each row of x, of shape (..., features), to the length g·√C, where g is
// one learnable number (Nguyen & Salazar 2019, arXiv 1910.05895):
//
//	y = g·√C·x/‖x‖ = g·x̂    x̂ = x·rstd    rstd = 1/√(Σx²/C + eps)
//
// It is RMSNorm with one gain for all features. Backward, with the mean over a row's
// features and the sum over all elements:
//
//	dx = g·rstd·(dy − x̂·mean(dy·x̂))    dg = Σdy·x̂
//
// The paper's g is our g·√C, and its eps is the least length that it divides by. The forward
// pass keeps rstd for the backward pass, which can itself be differentiated. WithAxis does
// the same as in LayerNorm.
type ScaleNorm struct {
	module
	row rowAxes
	eps float64
}

// NewScaleNorm returns a ScaleNorm over the given number of features: the last dimension,
// several with WithShape, or others with WithAxis. Its learnable is weight (g, initially 1),
// of shape (1). It takes WithName, WithDtype, WithEps (1e-5), WithAxis (-1), WithShape,
// WithoutAffine and WithWeightInit.
func NewScaleNorm(g *G.ExprGraph, features int, opts ...Option) (*ScaleNorm, error) {
	c, err := configure("ScaleNorm", opts, "WithDtype", "WithEps", "WithAxis", "WithShape",
		"WithoutAffine", "WithWeightInit")
	if err != nil {
		return nil, err
	}
	scaled := c.weight
	c.weight, c.bias = false, false // γ and β have the features' shape
	m, shape, err := newNorm("ScaleNorm", g, features, c)
	if err == nil && scaled {
		err = m.learn("weight", initOr(c.weightInit, constant(1)), 1)
	}
	if err != nil {
		return nil, err
	}
	return &ScaleNorm{module: m, row: rowAxesOf(c, shape), eps: c.epsOr(1e-5)}, nil
}

// Forward returns x scaled, in x's shape. x must end with the features' shape, or have its
// sizes on the axes of WithAxis. It must have the layer's dtype and be on its graph.
func (l *ScaleNorm) Forward(x *G.Node) (*G.Node, error) {
	return l.row.apply(&l.module, x, newScaleNormKernel[float32](l), newScaleNormKernel[float64](l))
}

func (l *ScaleNorm) along() []int { return l.row.axes }

func (l *ScaleNorm) rowKernels() (op.Kernel[float32], op.Kernel[float64], int) {
	return newScaleNormKernel[float32](l), newScaleNormKernel[float64](l), l.row.shape.TotalSize()
}

// Fwd is Forward in Gorgonia's composable form.
func (l *ScaleNorm) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On returns the layer on another graph, or once more on its own, with the same learnables.
// The mode makes no difference.
func (l *ScaleNorm) On(g *G.ExprGraph, mode Mode) (Layer, error) { return onGraph(*l, g, mode) }

// scaleNorm is the kernel: RMSNorm's with γ = g for each feature, so that dg = Σdγ. Its
// inputs are x and, if present, g.
type scaleNorm[T op.Float] struct {
	norm          *cpu.RowNorm[T]
	cols          int
	gamma, dgamma []T // reused
}

func newScaleNormKernel[T op.Float](l *ScaleNorm) *scaleNorm[T] {
	cols := l.row.shape.TotalSize()
	return &scaleNorm[T]{norm: cpu.NewRMSNorm[T](cols, cols, l.eps), cols: cols}
}

func (k *scaleNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	k.norm.Forward(out.Data, in[0].Data, k.spread(gamma(in)), nil)
	return nil
}

func (k *scaleNorm[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	dg := gamma(din)
	dgamma := k.room(dg)
	k.norm.Backward(din[0].Data, dgamma, nil, in[0].Data, k.spread(gamma(in)), dout.Data)
	gather(dg, dgamma)
	return nil
}

// Second computes the gradients of Σu·dx or u·dg. The latter are RMSNorm's of Σv·dγ, where v
// is u for each feature.
func (k *scaleNorm[T]) Second(
	i int, ddin []op.Array[T], ddout op.Array[T], in []op.Array[T], dout, u op.Array[T],
) error {
	x, dx, dg := in[0].Data, ddin[0].Data, gamma(ddin)
	if i == 1 {
		clear(dg)
		k.norm.SecondOfGamma(dx, ddout.Data, x, dout.Data, k.spread(u.Data))
		return nil
	}
	dgamma := k.room(dg)
	k.norm.Second(dx, dgamma, ddout.Data, x, k.spread(gamma(in)), dout.Data, u.Data)
	gather(dg, dgamma)
	return nil
}

// spread returns γ for g, nil for nil.
func (k *scaleNorm[T]) spread(g []T) []T {
	if g == nil {
		return nil
	}
	k.gamma = cpu.Grow(k.gamma, k.cols)
	for j := range k.gamma {
		k.gamma[j] = g[0]
	}
	return k.gamma
}

// room returns memory for dγ, nil if there is no dg.
func (k *scaleNorm[T]) room(dg []T) []T {
	if dg == nil {
		return nil
	}
	k.dgamma = cpu.Grow(k.dgamma, k.cols)
	return k.dgamma
}

// gather writes the sum of dγ to dg, if present.
func gather[T op.Float](dg, dgamma []T) {
	if dg == nil {
		return
	}
	var sum float64
	for _, d := range dgamma {
		sum += float64(d)
	}
	dg[0] = T(sum)
}
