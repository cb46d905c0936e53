package layers

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// pointwise is what DyT and Derf have in common: all but the function.
type pointwise struct {
	module
	features int
	derf     bool // else DyT
}

// newPointwise makes the learnables that both have.
func newPointwise(kind string, g *G.ExprGraph, features int, opts []Option) (pointwise, error) {
	c, err := configure(kind, opts, "WithDtype", "WithAlpha", "WithoutAffine", "WithoutWeight", "WithoutBias", "WithWeightInit", "WithBiasInit")
	if err != nil {
		return pointwise{}, err
	}
	m, _, err := newNorm(kind, g, features, c)
	if err == nil {
		err = m.learn("alpha", constant(c.alpha), 1)
	}
	return pointwise{module: m, features: features}, err
}

// Forward gives the function of x, in x's shape. x must have the features last, be of
// the layer's dtype and stand on its graph.
func (l *pointwise) Forward(x *G.Node) (*G.Node, error) {
	if err := l.endsWith(x, tensor.Shape{l.features}); err != nil {
		return nil, err
	}
	f32, f64, _ := l.rowKernels()
	return op.Apply(l.label(), x.Shape(), f32, f64, l.with(x)...)
}

func (l *pointwise) rowKernels() (op.Kernel[float32], op.Kernel[float64], int) {
	return affine(&l.module, &pointwiseKernel[float32]{cols: l.features, derf: l.derf}), affine(&l.module, &pointwiseKernel[float64]{cols: l.features, derf: l.derf}), l.features
}

func (l *pointwise) along() []int { return nil }

// Fwd is Forward in Gorgonia's composable form.
func (l *pointwise) Fwd(x G.Input) G.Result { return fwd(l, x) }

// pointwiseKernel is the kernel; in is x, where they are γ and β, then α and, of
// Derf, the shift.
type pointwiseKernel[T op.Float] struct {
	cols int
	derf bool
	erf  []T // of Derf
}

func (k *pointwiseKernel[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	in, alpha, shift := k.split(in)
	rows := len(out.Data) / k.cols
	if !k.derf {
		cpu.DyT(out.Data, in[0].Data, gamma(in), beta(in), *alpha, rows, k.cols)
		return nil
	}
	k.erf = cpu.Grow(k.erf, len(out.Data))
	cpu.Derf(out.Data, k.erf, in[0].Data, gamma(in), beta(in), *alpha, *shift, rows, k.cols)
	return nil
}

func (k *pointwiseKernel[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	in, alpha, shift := k.split(in)
	din, dalpha, dshift := k.split(din)
	rows := len(dout.Data) / k.cols
	if !k.derf {
		*dalpha = T(cpu.DyTBackward(din[0].Data, gamma(din), beta(din), in[0].Data, gamma(in), dout.Data, *alpha, rows, k.cols))
		return nil
	}
	da, ds := cpu.DerfBackward(din[0].Data, gamma(din), beta(din), in[0].Data, k.erf, gamma(in), dout.Data, *alpha, *shift, rows, k.cols)
	*dalpha, *dshift = T(da), T(ds)
	return nil
}

// split takes the scalars off the arrays' end; DyT has no shift.
func (k *pointwiseKernel[T]) split(arrays []op.Array[T]) (others []op.Array[T], alpha, shift *T) {
	n := len(arrays) - 1
	if k.derf {
		shift = &arrays[n].Data[0]
		n--
	}
	return arrays[:n], &arrays[n].Data[0], shift
}
