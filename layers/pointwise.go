package layers

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// pointwise is what DyT and Derf have in common: all except the function.
type pointwise struct {
	module
	features int
	derf     bool // else DyT
}

// newPointwise returns a layer with the learnables that both have.
func newPointwise(kind string, g *G.ExprGraph, features int, opts []Option) (pointwise, error) {
	c, err := configure(kind, opts, "WithDtype", "WithAlpha",
		"WithoutAffine", "WithoutWeight", "WithoutBias", "WithWeightInit", "WithBiasInit")
	if err != nil {
		return pointwise{}, err
	}
	m, _, err := newNorm(kind, g, features, c)
	if err == nil {
		err = m.learn("alpha", constant(c.alpha), 1)
	}
	return pointwise{module: m, features: features}, err
}

// Forward returns the function of x, in x's shape. The last dimension of x must be the
// features. x must have the layer's dtype and be on its graph.
func (l *pointwise) Forward(x *G.Node) (*G.Node, error) {
	if err := l.endsWith(x, tensor.Shape{l.features}); err != nil {
		return nil, err
	}
	f32, f64, _ := l.rowKernels()
	return op.Apply(l.label(), x.Shape(), f32, f64, l.with(x)...)
}

func (l *pointwise) rowKernels() (op.Kernel[float32], op.Kernel[float64], int) {
	return newPointwiseKernel[float32](l), newPointwiseKernel[float64](l), l.features
}

func (l *pointwise) along() []int { return nil }

// Fwd is Forward in Gorgonia's composable form.
func (l *pointwise) Fwd(x G.Input) G.Result { return fwd(l, x) }

// pointwiseKernel is the kernel. Its inputs are x, γ and β if present, α and, for Derf, the
// shift.
type pointwiseKernel[T op.Float] struct {
	norm    *cpu.Pointwise[T]
	derf    bool
	noShift T // DyT's shift and its gradient, 0
}

func newPointwiseKernel[T op.Float](l *pointwise) op.Kernel[T] {
	norm := cpu.NewDyT[T]
	if l.derf {
		norm = cpu.NewDerf[T]
	}
	return affine(&l.module, &pointwiseKernel[T]{norm: norm(l.features), derf: l.derf})
}

func (k *pointwiseKernel[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	in, alpha, shift := k.split(in)
	k.norm.Forward(out.Data, in[0].Data, gamma(in), beta(in), *alpha, *shift)
	return nil
}

func (k *pointwiseKernel[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	in, alpha, shift := k.split(in)
	din, dalpha, dshift := k.split(din)
	da, ds := k.norm.Backward(din[0].Data, gamma(din), beta(din), in[0].Data, gamma(in), dout.Data, *alpha, *shift)
	*dalpha, *dshift = T(da), T(ds)
	return nil
}

// split separates the scalars from the arrays before them.
func (k *pointwiseKernel[T]) split(arrays []op.Array[T]) (others []op.Array[T], alpha, shift *T) {
	shift, n := &k.noShift, len(arrays)-1
	if k.derf {
		shift = &arrays[n].Data[0]
		n--
	}
	return arrays[:n], &arrays[n].Data[0], shift
}
