package layers

import (
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// RMSNorm scales each row of x, of shape (..., features), to a root mean square
// of 1 (Zhang & Sennrich 2019, arXiv 1910.07467). Without γ, the length of a row of C
// features becomes √C.
//
//	rstd = 1/√(Σx²/C + eps)    x̂ = x·rstd    y = γ·x̂
//
// Backward, with g = dy·γ and the mean over a row's features:
//
//	dx = rstd·(g − x̂·mean(g·x̂))    dγ = Σ_rows dy·x̂
//
// Values equal those of torch.nn.RMSNorm (PyTorch 2.4). With WithZeroCentredGain, γ is
// 1 + weight. With WithPartial(p), rstd is that of the first P = ⌈p·C⌉ features, and
// x̂·mean(g·x̂) becomes x̂·Σ(g·x̂)/P for these and 0 for the others. The forward pass keeps
// rstd for the backward pass, which can itself be differentiated. WithAxis does the same as
// in LayerNorm; the first features are the first in the order of its axes.
type RMSNorm struct {
	module
	row         rowAxes
	eps         float64
	zeroCentred bool
	part        int // the root mean square is over the first so many features
}

// NewRMSNorm returns an RMSNorm over the given number of features: the last dimension,
// several with WithShape, or others with WithAxis. Its learnable is weight, of the features'
// shape: γ, initially 1, or with WithZeroCentredGain γ − 1, initially 0. It takes
// WithName, WithDtype, WithEps, WithAxis (-1), WithShape, WithoutAffine, WithWeightInit,
// WithZeroCentredGain and WithPartial. The default eps is the dtype's machine epsilon, as in
// PyTorch.
func NewRMSNorm(g *G.ExprGraph, features int, opts ...Option) (*RMSNorm, error) {
	c, err := configure("RMSNorm", opts, "WithDtype", "WithEps", "WithAxis", "WithShape",
		"WithoutAffine", "WithWeightInit", "WithZeroCentredGain", "WithPartial")
	if err != nil {
		return nil, err
	}
	c.bias = false
	m, shape, err := newNorm("RMSNorm", g, features, c)
	if err != nil {
		return nil, err
	}
	return &RMSNorm{
		module:      m,
		row:         rowAxesOf(c, shape),
		eps:         c.epsOr(machineEps(c.dtype)),
		zeroCentred: c.zeroCentred,
		part:        partOf(features, c.partial),
	}, nil
}

// partOf returns ⌈p·features⌉ for p as a decimal number: 0.07 of 100 are 7, although the
// product of the floats is above 7.
func partOf(features int, p float64) int {
	const rounding = 1e-12
	return max(1, int(math.Ceil(p*float64(features)*(1-rounding))))
}

// machineEps returns the distance from 1 to the next number of the type.
func machineEps(dt tensor.Dtype) float64 {
	if dt == tensor.Float64 {
		return 0x1p-52
	}
	return 0x1p-23
}

// Forward returns x scaled, in x's shape. x must end with the features' shape, or have its
// sizes on the axes of WithAxis. It must have the layer's dtype and be on its graph.
func (l *RMSNorm) Forward(x *G.Node) (*G.Node, error) {
	return l.row.apply(&l.module, x, newRMSNormKernel[float32](l), newRMSNormKernel[float64](l))
}

func (l *RMSNorm) along() []int { return l.row.axes }

// ForwardMasked is Forward where an element counts if its mask is not 0, as in LayerNorm.
// With WithPartial the root mean square is that of the elements that count among the first P
// features. If there are none, the whole row is 0.
func (l *RMSNorm) ForwardMasked(x, mask *G.Node) (*G.Node, error) {
	return l.row.masked(&l.module, x, mask, cpu.Sets{Part: l.part, Eps: l.eps}, l.zeroCentred)
}

func (l *RMSNorm) rowKernels() (op.Kernel[float32], op.Kernel[float64], int) {
	return newRMSNormKernel[float32](l), newRMSNormKernel[float64](l), l.row.shape.TotalSize()
}

// Fwd is Forward in Gorgonia's composable form.
func (l *RMSNorm) Fwd(x G.Input) G.Result { return fwd(l, x) }

// On returns the layer on another graph, or once more on its own, with the same learnables.
// The mode makes no difference.
func (l *RMSNorm) On(g *G.ExprGraph, mode Mode) (Layer, error) { return onGraph(*l, g, mode) }

func newRMSNormKernel[T op.Float](l *RMSNorm) *rowNorm[T] {
	norm := cpu.NewRMSNorm[T](l.row.shape.TotalSize(), l.part, l.eps)
	return &rowNorm[T]{norm: norm, gain: gain[T]{zeroCentred: l.zeroCentred}}
}
