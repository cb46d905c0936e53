package layers

import (
	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// Second makes LayerNorm differentiable twice. With x̂ held to be a function of x,
//
//	of Σu·dx   cpu.RowNormSecond has them
//	of Σv·dγ   ddy = v·x̂    dx is that of y = v·x̂ + β
//	of Σw·dβ   ddy = w in every row
func (k *layerNorm[T]) Second(i int, ddin []op.Array[T], ddout op.Array[T], in []op.Array[T], dout, u op.Array[T]) error {
	rows := len(dout.Data) / k.cols
	dx, x, dy, dgamma := ddin[0].Data, in[0].Data, dout.Data, gamma(ddin)
	clear(beta(ddin))
	switch i {
	case 0:
		cpu.RowNormSecond(dx, dgamma, ddout.Data, x, gamma(in), k.mean, k.shift, k.rstd, dy, u.Data, rows, k.cols, k.cols)
	case 1:
		clear(dgamma)
		cpu.LayerNorm(ddout.Data, x, u.Data, nil, k.mean, k.shift, k.rstd, rows, k.cols, k.eps)
		cpu.LayerNormBackward(dx, nil, nil, x, u.Data, k.mean, k.shift, k.rstd, dy, rows, k.cols)
	case 2:
		clear(dgamma)
		clear(dx)
		for r := range rows {
			copy(ddout.Data[r*k.cols:], u.Data)
		}
	}
	return nil
}

// Second makes RMSNorm differentiable twice, as LayerNorm is.
func (k *rmsNorm[T]) Second(i int, ddin []op.Array[T], ddout op.Array[T], in []op.Array[T], dout, u op.Array[T]) error {
	rows := len(dout.Data) / k.cols
	dx, x, dy, dgamma := ddin[0].Data, in[0].Data, dout.Data, gamma(ddin)
	if i == 0 {
		cpu.RowNormSecond(dx, dgamma, ddout.Data, x, k.gain.of(gamma(in)), nil, nil, k.rstd, dy, u.Data, rows, k.cols, k.part)
		return nil
	}
	clear(dgamma)
	k.forward(ddout.Data, x, u.Data)
	k.backward(dx, nil, x, u.Data, dy)
	return nil
}
