package layers

import (
	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// LayerNorm normalizes each row of x, of shape (..., features), to mean 0 and
// variance 1 over its features (Ba, Kiros & Hinton 2016, arXiv 1607.06450):
//
//	μ = Σx/C    rstd = 1/√(Σ(x−μ)²/C + eps)    x̂ = (x−μ)·rstd    y = γ·x̂ + β
//
// Backward, with g = dy·γ and means over a row's features:
//
//	dx = rstd·(g − mean(g) − x̂·mean(g·x̂))    dγ = Σ_rows dy·x̂    dβ = Σ_rows dy
//
// The variance is the biased one and values are those of
// torch.nn.functional.layer_norm. μ and rstd are kept for the backward pass, which
// can itself be differentiated. With WithAxis the features are other axes than the last.
// Values are those of moving these axes to the end, normalizing, and moving them back.
type LayerNorm struct {
	module
	row rowAxes
	eps float64
}

// NewLayerNorm makes a LayerNorm over the given number of features, the last
// dimension or, with WithShape, several; with WithAxis, others. Learnables are weight
// (γ, from 1) and bias (β, from 0), of the features' shape. It takes WithName, WithDtype,
// WithEps (1e-5), WithAxis (-1), WithShape, WithoutAffine, WithoutWeight, WithoutBias,
// WithWeightInit and WithBiasInit.
func NewLayerNorm(g *G.ExprGraph, features int, opts ...Option) (*LayerNorm, error) {
	c, err := configure("LayerNorm", opts, "WithDtype", "WithEps", "WithAxis", "WithShape", "WithoutAffine", "WithoutWeight", "WithoutBias",
		"WithWeightInit", "WithBiasInit")
	if err != nil {
		return nil, err
	}
	m, shape, err := newNorm("LayerNorm", g, features, c)
	if err != nil {
		return nil, err
	}
	return &LayerNorm{module: m, row: rowAxesOf(c, shape), eps: c.epsOr(1e-5)}, nil
}

// Forward gives x normalized, in x's shape. x must end with the features' shape, or have
// its sizes on the axes of WithAxis, be of the layer's dtype and stand on its graph.
func (l *LayerNorm) Forward(x *G.Node) (*G.Node, error) {
	return l.row.apply(&l.module, x, newLayerNormKernel[float32](l), newLayerNormKernel[float64](l))
}

func (l *LayerNorm) rowKernels() (op.Kernel[float32], op.Kernel[float64], int) {
	return affine(&l.module, newLayerNormKernel[float32](l)), affine(&l.module, newLayerNormKernel[float64](l)), l.row.shape.TotalSize()
}

func (l *LayerNorm) along() []int { return l.row.axes }

// ForwardMasked is Forward where only the elements count whose mask is not 0, for example
// for sentences of several lengths in one batch, or images of several sizes. The others
// have no part in the statistics, their y is 0, and they get and give no gradient,
// whatever they hold. A row in which nothing counts is 0. (Flax leaves the others out of
// the statistics, but normalizes them, too.) The mask is of type tensor.Int and has x's
// shape or, to leave out whole rows, x's shape without the features' axes. Second
// derivatives are an error.
func (l *LayerNorm) ForwardMasked(x, mask *G.Node) (*G.Node, error) {
	return l.row.masked(&l.module, x, mask, cpu.Sets{Part: l.row.shape.TotalSize(), Centred: true, Eps: l.eps}, false)
}

// Fwd is Forward in Gorgonia's composable form.
func (l *LayerNorm) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On returns the layer on another graph, or once more on its own, with the same learnables.
// The mode makes no difference.
func (l *LayerNorm) On(g *G.ExprGraph, mode Mode) (Layer, error) { return onGraph(*l, g, mode) }

// layerNorm is the kernel; in is x and, where they are, γ and β.
type layerNorm[T op.Float] struct {
	cols              int
	eps               float64
	mean, shift, rstd []T
}

func newLayerNormKernel[T op.Float](l *LayerNorm) *layerNorm[T] {
	return &layerNorm[T]{cols: l.row.shape.TotalSize(), eps: l.eps}
}

func (k *layerNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	rows := len(out.Data) / k.cols
	k.mean, k.shift, k.rstd = cpu.Grow(k.mean, rows), cpu.Grow(k.shift, rows), cpu.Grow(k.rstd, rows)
	cpu.LayerNorm(out.Data, in[0].Data, gamma(in), beta(in), k.mean, k.shift, k.rstd, rows, k.cols, k.eps)
	return nil
}

func (k *layerNorm[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	cpu.LayerNormBackward(din[0].Data, gamma(din), beta(din), in[0].Data, gamma(in), k.mean, k.shift, k.rstd, dout.Data, len(dout.Data)/k.cols, k.cols)
	return nil
}
