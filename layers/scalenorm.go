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
// The paper's g is our g·√C, and its eps is the least length that it divides by. rstd is
// kept for the backward pass, which can itself be differentiated. WithAxis does the same as
// in LayerNorm.
type ScaleNorm struct {
	module
	row rowAxes
	eps float64
}

// NewScaleNorm makes a ScaleNorm over the given number of features, the last dimension or,
// with WithShape, several; with WithAxis, others. Its learnable is weight (g, from 1), of
// shape (1). It takes WithName, WithDtype, WithEps (1e-5), WithAxis (-1), WithShape,
// WithoutAffine and WithWeightInit.
func NewScaleNorm(g *G.ExprGraph, features int, opts ...Option) (*ScaleNorm, error) {
	c, err := configure("ScaleNorm", opts, "WithDtype", "WithEps", "WithAxis", "WithShape", "WithoutAffine", "WithWeightInit")
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
// sizes on the axes of WithAxis, be of the layer's dtype and stand on its graph.
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

// scaleNorm is the kernel: RMSNorm's with γ = g for each feature, so that dg = Σdγ. in is x
// and, where it is, g.
type scaleNorm[T op.Float] struct {
	rms              rmsNorm[T]
	gamma, dgamma, v []T           // an element for each feature
	in, din          []op.Array[T] // reused
}

func newScaleNormKernel[T op.Float](l *ScaleNorm) *scaleNorm[T] {
	cols := l.row.shape.TotalSize()
	return &scaleNorm[T]{rms: rmsNorm[T]{cols: cols, part: cols, eps: l.eps}}
}

func (k *scaleNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	return k.rms.Forward(out, k.spread(in))
}

func (k *scaleNorm[T]) Backward(din, in []op.Array[T], out, dout op.Array[T]) error {
	if err := k.rms.Backward(k.room(din), k.spread(in), out, dout); err != nil {
		return err
	}
	k.gather(din)
	return nil
}

// Second makes ScaleNorm differentiable twice. u is dx's, or dg's: then it is RMSNorm's with
// the same u for each element of dγ.
func (k *scaleNorm[T]) Second(i int, ddin []op.Array[T], ddout op.Array[T], in []op.Array[T], dout, u op.Array[T]) error {
	if i == 1 {
		u = k.repeated(&k.v, u.Data[0])
	}
	if err := k.rms.Second(i, k.room(ddin), ddout, k.spread(in), dout, u); err != nil {
		return err
	}
	k.gather(ddin)
	return nil
}

// spread returns x and γ of x and g.
func (k *scaleNorm[T]) spread(in []op.Array[T]) []op.Array[T] {
	k.in = append(k.in[:0], in...)
	if len(in) > 1 {
		k.in[1] = k.repeated(&k.gamma, in[1].Data[0])
	}
	return k.in
}

func (k *scaleNorm[T]) repeated(into *[]T, v T) op.Array[T] {
	*into = cpu.Grow(*into, k.rms.cols)
	for j := range *into {
		(*into)[j] = v
	}
	return op.Array[T]{Data: *into}
}

// room returns dx and, for dg, room for dγ.
func (k *scaleNorm[T]) room(din []op.Array[T]) []op.Array[T] {
	k.din = append(k.din[:0], din...)
	if len(din) > 1 {
		k.dgamma = cpu.Grow(k.dgamma, k.rms.cols)
		k.din[1] = op.Array[T]{Data: k.dgamma}
	}
	return k.din
}

// gather makes dg of dγ.
func (k *scaleNorm[T]) gather(din []op.Array[T]) {
	if len(din) > 1 {
		var sum float64
		for _, d := range k.dgamma {
			sum += float64(d)
		}
		din[1].Data[0] = T(sum)
	}
}
