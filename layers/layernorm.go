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
// torch.nn.functional.layer_norm. μ and rstd are kept for the backward pass.
type LayerNorm struct {
	module
	features int
	eps      float64
}

// NewLayerNorm makes a LayerNorm over the given number of features. Learnables
// are weight (γ, from 1) and bias (β, from 0), of shape (features). It takes
// WithName, WithDtype, WithEps and WithoutBias.
func NewLayerNorm(g *G.ExprGraph, features int, opts ...Option) (*LayerNorm, error) {
	c, err := configure("LayerNorm", opts, "WithDtype", "WithEps", "WithoutBias")
	if err != nil {
		return nil, err
	}
	m, err := newNorm("LayerNorm", g, features, c)
	if err != nil {
		return nil, err
	}
	return &LayerNorm{module: m, features: features, eps: c.epsOr(1e-5)}, nil
}

// newNorm makes what every norm has: gamma and, if it is to have one, beta.
func newNorm(kind string, g *G.ExprGraph, features int, c config) (module, error) {
	m, err := newModule(kind, g, c)
	if err != nil {
		return m, err
	}
	if features < 1 {
		return m, m.errorf("features is %d, want 1 or more", features)
	}
	if err := m.learn("weight", constant(1), features); err != nil {
		return m, err
	}
	if c.bias {
		err = m.learn("bias", constant(0), features)
	}
	return m, err
}

// Forward gives x normalized, in x's shape.
func (l *LayerNorm) Forward(x *G.Node) (*G.Node, error) {
	if _, err := l.rows(x, l.features); err != nil {
		return nil, err
	}
	f32, f64, _ := l.rowKernels()
	return op.Apply(l.label(), x.Shape(), f32, f64, l.with(x)...)
}

func (l *LayerNorm) rowKernels() (op.Kernel[float32], op.Kernel[float64], int) {
	return &layerNorm[float32]{eps: l.eps}, &layerNorm[float64]{eps: l.eps}, l.features
}

// Fwd is Forward in Gorgonia's composable form.
func (l *LayerNorm) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On places the layer on another graph. The mode makes no difference.
func (l *LayerNorm) On(g *G.ExprGraph, _ Mode) (Layer, error) {
	m, err := l.on(g)
	if err != nil {
		return nil, err
	}
	return &LayerNorm{module: m, features: l.features, eps: l.eps}, nil
}

// layerNorm is the kernel; in is x, γ and, if there is one, β.
type layerNorm[T op.Float] struct {
	eps               float64
	mean, shift, rstd []T
}

func (k *layerNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	rows, cols := rowsCols(in)
	k.mean, k.shift, k.rstd = cpu.Grow(k.mean, rows), cpu.Grow(k.shift, rows), cpu.Grow(k.rstd, rows)
	cpu.LayerNorm(out.Data, in[0].Data, in[1].Data, bias(in), k.mean, k.shift, k.rstd, rows, cols, k.eps)
	return nil
}

func (k *layerNorm[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	rows, cols := rowsCols(in)
	cpu.LayerNormBackward(din[0].Data, din[1].Data, bias(din), in[0].Data, in[1].Data, k.mean, k.shift, k.rstd, dout.Data, rows, cols)
	return nil
}

// rowsCols is the size of x as a matrix, given that gamma has one element a
// feature.
func rowsCols[T op.Float](in []op.Array[T]) (rows, cols int) {
	cols = len(in[1].Data)
	return len(in[0].Data) / cols, cols
}

// bias is the third array's elements, nil if there is none.
func bias[T op.Float](in []op.Array[T]) []T {
	if len(in) < 3 {
		return nil
	}
	return in[2].Data
}
