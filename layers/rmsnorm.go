package layers

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// RMSNorm scales each row of x, of shape (..., features), to a root mean square
// of 1 (Zhang & Sennrich 2019, arXiv 1910.07467): without γ, a row of C features
// lands on the sphere of radius √C.
//
//	rstd = 1/√(Σx²/C + eps)    x̂ = x·rstd    y = γ·x̂
//
// Backward, with g = dy·γ and the mean over a row's features:
//
//	dx = rstd·(g − x̂·mean(g·x̂))    dγ = Σ_rows dy·x̂
//
// rstd is kept for the backward pass.
type RMSNorm struct {
	module
	features int
	eps      float64
}

// NewRMSNorm makes an RMSNorm over the given number of features. Its learnable
// is weight (γ, from 1), of shape (features). It takes WithName, WithDtype and
// WithEps; eps is the dtype's machine epsilon by default, as in PyTorch.
func NewRMSNorm(g *G.ExprGraph, features int, opts ...Option) (*RMSNorm, error) {
	c, err := configure("RMSNorm", opts, "WithDtype", "WithEps")
	if err != nil {
		return nil, err
	}
	c.bias = false
	m, err := newNorm("RMSNorm", g, features, c)
	if err != nil {
		return nil, err
	}
	return &RMSNorm{module: m, features: features, eps: c.epsOr(machineEps(c.dtype))}, nil
}

// machineEps is the distance from 1 to the next number of the type.
func machineEps(dt tensor.Dtype) float64 {
	if dt == tensor.Float64 {
		return 0x1p-52
	}
	return 0x1p-23
}

// Forward gives x scaled, in x's shape.
func (l *RMSNorm) Forward(x *G.Node) (*G.Node, error) {
	if _, err := l.rows(x, l.features); err != nil {
		return nil, err
	}
	f32, f64, _ := l.rowKernels()
	return op.Apply(l.label(), x.Shape(), f32, f64, l.with(x)...)
}

func (l *RMSNorm) rowKernels() (op.Kernel[float32], op.Kernel[float64], int) {
	return &rmsNorm[float32]{eps: l.eps}, &rmsNorm[float64]{eps: l.eps}, l.features
}

// Fwd is Forward in Gorgonia's composable form.
func (l *RMSNorm) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On places the layer on another graph. The mode makes no difference.
func (l *RMSNorm) On(g *G.ExprGraph, _ Mode) (Layer, error) {
	m, err := l.on(g)
	if err != nil {
		return nil, err
	}
	return &RMSNorm{module: m, features: l.features, eps: l.eps}, nil
}

// rmsNorm is the kernel; in is x and γ.
type rmsNorm[T op.Float] struct {
	eps  float64
	rstd []T
}

func (k *rmsNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	rows, cols := rowsCols(in)
	k.rstd = cpu.Grow(k.rstd, rows)
	cpu.RMSNorm(out.Data, in[0].Data, in[1].Data, k.rstd, rows, cols, k.eps)
	return nil
}

func (k *rmsNorm[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	rows, cols := rowsCols(in)
	cpu.RMSNormBackward(din[0].Data, din[1].Data, in[0].Data, in[1].Data, k.rstd, dout.Data, rows, cols)
	return nil
}
