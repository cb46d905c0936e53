package layers

import (
	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// rowNorm is the kernel of LayerNorm and RMSNorm. Its inputs are x and, if present, γ and β.
type rowNorm[T op.Float] struct {
	norm *cpu.RowNorm[T]
	gain gain[T]
}

func (k *rowNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	k.norm.Forward(out.Data, in[0].Data, k.gain.of(gamma(in)), beta(in))
	return nil
}

func (k *rowNorm[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	k.norm.Backward(din[0].Data, gamma(din), beta(din), in[0].Data, k.gain.of(gamma(in)), dout.Data)
	return nil
}

// Second computes the gradients of Σu·dx, Σu·dγ or Σu·dβ.
func (k *rowNorm[T]) Second(
	i int, ddin []op.Array[T], ddout op.Array[T], in []op.Array[T], dout, u op.Array[T],
) error {
	x, dx, dgamma := in[0].Data, ddin[0].Data, gamma(ddin)
	clear(beta(ddin))
	switch i {
	case 0:
		k.norm.Second(dx, dgamma, ddout.Data, x, k.gain.of(gamma(in)), dout.Data, u.Data)
	case 1:
		clear(dgamma)
		k.norm.SecondOfGamma(dx, ddout.Data, x, dout.Data, u.Data)
	case 2:
		clear(dgamma)
		clear(dx)
		k.norm.SecondOfBeta(ddout.Data, u.Data)
	}
	return nil
}
