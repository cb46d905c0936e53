package transformer

import (
	"math"

	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/op"
)

// scaled divides the output of a norm by √depth.
func (f *forward) scaled(name string, depth int, x *G.Node) *G.Node {
	p := newAffine(f.channels)
	for j := range p.scale {
		p.scale[j] = 1 / math.Sqrt(float64(depth))
	}
	return f.affine("Scale "+name, p, x)
}

func (f *forward) affine(label string, a affine, x *G.Node) (y *G.Node) {
	if f.err == nil {
		y, f.err = op.Apply(label, x.Shape(), affineKernel[float32]{a}, affineKernel[float64]{a}, x)
	}
	return y
}

// affine is a map of rows, y = scale∘x + shift.
type affine struct{ scale, shift []float64 }

func newAffine(features int) affine {
	return affine{make([]float64, features), make([]float64, features)}
}

// affineKernel is the kernel of an affine map, which reads its numbers on each run.
type affineKernel[T op.Float] struct{ affine }

func (k affineKernel[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	cols := len(k.scale)
	for i := 0; i < len(out.Data); i += cols {
		y, x := out.Data[i:i+cols], in[0].Data[i:i+cols]
		for j := range y {
			y[j] = T(T(k.scale[j])*x[j]) + T(k.shift[j])
		}
	}
	return nil
}

func (k affineKernel[T]) Backward(din, _ []op.Array[T], _, dout op.Array[T]) error {
	cols := len(k.scale)
	for i := 0; i < len(dout.Data); i += cols {
		dx, dy := din[0].Data[i:i+cols], dout.Data[i:i+cols]
		for j := range dx {
			dx[j] = T(k.scale[j]) * dy[j]
		}
	}
	return nil
}
