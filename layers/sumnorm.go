package layers

import (
	"errors"

	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// AddNorm returns x + branch and norm(x + branch), in their shape: a residual connection and the norm after it. In a
// transformer with pre-norm the sum goes on to the next residual connection, and the normalized value to the next
// branch:
//
//	x, h, err := layers.AddNorm(norm2, x, attention) // x + attention, norm2(x + attention)
//
// With post-norm only the normalized value is used. For LayerNorm, RMSNorm and ScaleNorm over the last dimensions both
// are computed in one pass, and so is the gradient of the sum, to which the norm and whatever else uses it contribute.
// Values and gradients are those of Residual and the norm, to the bit. The operation has no second derivatives. For any
// other layer, AddNorm applies Residual and the layer.
//
// x and branch must have one type and one shape, which the norm's Forward takes, and be on its graph.
func AddNorm(norm Layer, x, branch *G.Node) (sum, y *G.Node, err error) {
	if op.IsNil(norm) {
		return nil, nil, errors.New("layers: AddNorm: the norm is nil")
	}
	residual := Residual{stateless("Residual", config{name: norm.Name() + ".residual"})}
	if s, ok := norm.(summing); ok {
		if m, row, f32, f64 := s.summing(); row.axes == nil {
			if err := residual.checkBoth(x, branch); err != nil {
				return nil, nil, err
			}
			if _, err := row.of(m, x); err != nil {
				return nil, nil, err
			}
			return op.ApplyPair(m.label(), f32, f64, append(G.Nodes{x, branch}, m.learnables...)...)
		}
	}
	if sum, err = residual.Forward(x, branch); err != nil {
		return nil, nil, err
	}
	y, err = norm.Forward(sum)
	return sum, y, err
}

// summing is a norm of rows that can be one operation with the residual connection before it.
type summing interface {
	summing() (*module, rowAxes, *sumNorm[float32], *sumNorm[float64])
}

func (l *LayerNorm) summing() (*module, rowAxes, *sumNorm[float32], *sumNorm[float64]) {
	f32, f64 := newLayerNormKernel[float32](l), newLayerNormKernel[float64](l)
	return &l.module, l.row, newSumNorm(&l.module, f32.norm, f32), newSumNorm(&l.module, f64.norm, f64)
}

func (l *RMSNorm) summing() (*module, rowAxes, *sumNorm[float32], *sumNorm[float64]) {
	f32, f64 := newRMSNormKernel[float32](l), newRMSNormKernel[float64](l)
	return &l.module, l.row, newSumNorm(&l.module, f32.norm, f32), newSumNorm(&l.module, f64.norm, f64)
}

func (l *ScaleNorm) summing() (*module, rowAxes, *sumNorm[float32], *sumNorm[float64]) {
	f32, f64 := newScaleNormKernel[float32](l), newScaleNormKernel[float64](l)
	return &l.module, l.row, newSumNorm(&l.module, f32.norm, f32), newSumNorm(&l.module, f64.norm, f64)
}

// sumNorm is the kernel of a residual connection and a norm of rows in one. Its inputs are x, the branch and the
// norm's learnables.
type sumNorm[T op.Float] struct {
	norm    *cpu.RowNorm[T]
	kernel  op.Kernel[T]  // the norm's own, which uses norm
	in, din []op.Array[T] // reused
}

func newSumNorm[T op.Float](m *module, norm *cpu.RowNorm[T], kernel op.Kernel[T]) *sumNorm[T] {
	return &sumNorm[T]{norm: norm, kernel: affine(m, kernel)}
}

func (k *sumNorm[T]) Forward(sum, y op.Array[T], in []op.Array[T]) error {
	k.norm.OfSum(in[0].Data, in[1].Data)
	k.in = append(append(k.in[:0], sum), in[2:]...)
	return k.kernel.Forward(y, k.in)
}

func (k *sumNorm[T]) Backward(dsum op.Array[T], din, in []op.Array[T], sum, given, dy op.Array[T]) error {
	if dy.Data == nil {
		copy(dsum.Data, given.Data)
		for _, d := range din {
			clear(d.Data)
		}
		return nil
	}
	k.norm.PlusGradient(given.Data)
	k.din = append(append(k.din[:0], dsum), din...)
	k.in = append(append(k.in[:0], sum), in...)
	return k.kernel.Backward(k.din, k.in, op.Array[T]{}, dy)
}
