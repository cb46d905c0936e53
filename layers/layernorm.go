package layers

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

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
// can itself be differentiated.
type LayerNorm struct {
	module
	shape tensor.Shape // of the features
	eps   float64
}

// NewLayerNorm makes a LayerNorm over the given number of features, the last
// dimension or, with WithShape, several. Learnables are weight (γ, from 1) and bias
// (β, from 0), of the features' shape. It takes WithName, WithDtype, WithEps (1e-5),
// WithShape, WithoutAffine, WithoutBias, WithWeightInit and WithBiasInit.
func NewLayerNorm(g *G.ExprGraph, features int, opts ...Option) (*LayerNorm, error) {
	c, err := configure("LayerNorm", opts, "WithDtype", "WithEps", "WithShape", "WithoutAffine", "WithoutBias", "WithWeightInit", "WithBiasInit")
	if err != nil {
		return nil, err
	}
	m, shape, err := newNorm("LayerNorm", g, features, c)
	if err != nil {
		return nil, err
	}
	return &LayerNorm{module: m, shape: shape, eps: c.epsOr(1e-5)}, nil
}

// Forward gives x normalized, in x's shape. x must end with the features' shape, be of
// the layer's dtype and stand on its graph.
func (l *LayerNorm) Forward(x *G.Node) (*G.Node, error) {
	if err := l.endsWith(x, l.shape); err != nil {
		return nil, err
	}
	f32, f64, _ := l.rowKernels()
	return op.Apply(l.label(), x.Shape(), f32, f64, l.with(x)...)
}

func (l *LayerNorm) rowKernels() (op.Kernel[float32], op.Kernel[float64], int) {
	features := l.shape.TotalSize()
	return &layerNorm[float32]{cols: features, eps: l.eps}, &layerNorm[float64]{cols: features, eps: l.eps}, features
}

// Fwd is Forward in Gorgonia's composable form.
func (l *LayerNorm) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On places the layer on a graph. The mode makes no difference.
func (l *LayerNorm) On(g *G.ExprGraph, mode Mode) (Layer, error) {
	m, err := l.on(g, mode)
	if err != nil {
		return nil, err
	}
	return &LayerNorm{module: m, shape: l.shape, eps: l.eps}, nil
}

// layerNorm is the kernel; in is x and, where they are, γ and β.
type layerNorm[T op.Float] struct {
	cols              int
	eps               float64
	mean, shift, rstd []T
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
