package layers

import (
	"math"

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
// Values are those of torch.nn.RMSNorm (PyTorch 2.4). With WithZeroCentredGain, γ is
// 1 + weight. With WithPartial(p), rstd is that of the first P = ⌈p·C⌉ features, and
// x̂·mean(g·x̂) is x̂·Σ(g·x̂)/P for those and 0 for the others. rstd is kept for the
// backward pass, which can itself be differentiated. WithAxis does the same as in
// LayerNorm; the first features are the first in the order of its axes.
type RMSNorm struct {
	module
	row         rowAxes
	eps         float64
	zeroCentred bool
	part        int // how many of the features the root mean square is over
}

// NewRMSNorm makes an RMSNorm over the given number of features, the last dimension or,
// with WithShape, several; with WithAxis, others. Its learnable is weight (γ, from 1, or
// with WithZeroCentredGain 1 + weight, from 0), of the features' shape. It takes WithName,
// WithDtype, WithEps, WithAxis (-1), WithShape, WithoutAffine, WithWeightInit,
// WithZeroCentredGain and WithPartial; eps is the dtype's machine epsilon by default, as in
// PyTorch.
func NewRMSNorm(g *G.ExprGraph, features int, opts ...Option) (*RMSNorm, error) {
	c, err := configure("RMSNorm", opts, "WithDtype", "WithEps", "WithAxis", "WithShape", "WithoutAffine", "WithWeightInit", "WithZeroCentredGain", "WithPartial")
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

// partOf is ⌈p·features⌉ for the decimal p that was meant: 0.07 of 100 are 7, though the
// product of the floats is above 7.
func partOf(features int, p float64) int {
	const rounding = 1e-12
	return max(1, int(math.Ceil(p*float64(features)*(1-rounding))))
}

// machineEps is the distance from 1 to the next number of the type.
func machineEps(dt tensor.Dtype) float64 {
	if dt == tensor.Float64 {
		return 0x1p-52
	}
	return 0x1p-23
}

// Forward gives x scaled, in x's shape. x must end with the features' shape, or have its
// sizes on the axes of WithAxis, be of the layer's dtype and stand on its graph.
func (l *RMSNorm) Forward(x *G.Node) (*G.Node, error) {
	return l.row.apply(&l.module, x, newRMSNormKernel[float32](l), newRMSNormKernel[float64](l))
}

func (l *RMSNorm) along() []int { return l.row.axes }

// ForwardMasked is Forward where only the elements count whose mask is not 0, as in
// LayerNorm. With WithPartial the root mean square is that of the elements that count among
// the first P features. Where there are none, the whole row is 0.
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

// rmsNorm is the kernel; in is x and, where it is, the weight.
type rmsNorm[T op.Float] struct {
	cols, part int
	eps        float64
	gain       gain[T]
	rstd       []T
}

func newRMSNormKernel[T op.Float](l *RMSNorm) *rmsNorm[T] {
	return &rmsNorm[T]{cols: l.row.shape.TotalSize(), part: l.part, eps: l.eps, gain: gain[T]{zeroCentred: l.zeroCentred}}
}

func (k *rmsNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	k.forward(out.Data, in[0].Data, k.gain.of(gamma(in)))
	return nil
}

func (k *rmsNorm[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	k.backward(din[0].Data, gamma(din), in[0].Data, k.gain.of(gamma(in)), dout.Data)
	return nil
}

func (k *rmsNorm[T]) forward(y, x, gamma []T) {
	rows := len(y) / k.cols
	k.rstd = cpu.Grow(k.rstd, rows)
	if k.part < k.cols {
		cpu.PartialRMSNorm(y, x, gamma, k.rstd, rows, k.cols, k.part, k.eps)
		return
	}
	cpu.RMSNorm(y, x, gamma, k.rstd, rows, k.cols, k.eps)
}

func (k *rmsNorm[T]) backward(dx, dgamma, x, gamma, dy []T) {
	rows := len(dy) / k.cols
	if k.part < k.cols {
		cpu.PartialRMSNormBackward(dx, dgamma, x, gamma, k.rstd, dy, rows, k.cols, k.part)
		return
	}
	cpu.RMSNormBackward(dx, dgamma, x, gamma, k.rstd, dy, rows, k.cols)
}
