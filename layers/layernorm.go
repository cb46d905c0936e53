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
// The variance is the biased one, and values equal those of
// torch.nn.functional.layer_norm. The forward pass keeps μ and rstd for the backward pass,
// which can itself be differentiated. With WithAxis the features are on other axes than the
// last: values equal those of moving these axes to the end, normalizing, and moving them back.
type LayerNorm struct {
	module
	row rowAxes
	eps float64
}

// NewLayerNorm returns a LayerNorm over the given number of features: the last dimension,
// several with WithShape, or others with WithAxis. Learnables are weight (γ, initially 1) and
// bias (β, initially 0), of the features' shape. It takes WithName, WithDtype, WithEps
// (1e-5), WithAxis (-1), WithShape, WithoutAffine, WithoutWeight, WithoutBias,
// WithWeightInit and WithBiasInit.
func NewLayerNorm(g *G.ExprGraph, features int, opts ...Option) (*LayerNorm, error) {
	c, err := configure("LayerNorm", opts, "WithDtype", "WithEps", "WithAxis", "WithShape",
		"WithoutAffine", "WithoutWeight", "WithoutBias", "WithWeightInit", "WithBiasInit")
	if err != nil {
		return nil, err
	}
	m, shape, err := newNorm("LayerNorm", g, features, c)
	if err != nil {
		return nil, err
	}
	return &LayerNorm{module: m, row: rowAxesOf(c, shape), eps: c.epsOr(1e-5)}, nil
}

// Forward returns x normalized, in x's shape. x must end with the features' shape, or have
// its sizes on the axes of WithAxis. It must have the layer's dtype and be on its graph.
func (l *LayerNorm) Forward(x *G.Node) (*G.Node, error) {
	return l.row.apply(&l.module, x, newLayerNormKernel[float32](l), newLayerNormKernel[float64](l))
}

func (l *LayerNorm) rowKernels() (op.Kernel[float32], op.Kernel[float64], int) {
	f32, f64 := newLayerNormKernel[float32](l), newLayerNormKernel[float64](l)
	return affine(&l.module, f32), affine(&l.module, f64), l.row.shape.TotalSize()
}

func (l *LayerNorm) along() []int { return l.row.axes }

// ForwardMasked is Forward for a batch of sentences or images of several sizes, for
// example: an element counts if its mask is not 0. The other elements are left out of the
// statistics, their y is 0, and gradients with respect to and from them are 0, whatever they
// hold. A row without an element that counts is 0. (Flax leaves the others out of the
// statistics, but normalizes them, too.) The mask has type tensor.Int and x's shape or, to
// leave out whole rows, x's shape without the features' axes. Second derivatives are an
// error.
func (l *LayerNorm) ForwardMasked(x, mask *G.Node) (*G.Node, error) {
	sets := cpu.Sets{Part: l.row.shape.TotalSize(), Centred: true, Eps: l.eps}
	return l.row.masked(&l.module, x, mask, sets, false)
}

// Fwd is Forward in Gorgonia's composable form.
func (l *LayerNorm) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On returns the layer on another graph, or once more on its own, with the same learnables.
// The mode makes no difference.
func (l *LayerNorm) On(g *G.ExprGraph, mode Mode) (Layer, error) { return onGraph(*l, g, mode) }

func newLayerNormKernel[T op.Float](l *LayerNorm) *rowNorm[T] {
	return &rowNorm[T]{norm: cpu.NewLayerNorm[T](l.row.shape.TotalSize(), l.eps)}
}
