package layers

import (
	"errors"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// maskedBatchNorm is BatchNorm's kernel on the rows that count, packed together. The
// mask is the last of in.
type maskedBatchNorm[T op.Float] struct {
	*batchNorm[T]           // of what is packed
	whole         batchSize // of x
	counted       []int     // where the rows that count begin in x
	x, y, dx, dy  []T       // packed
}

func newMaskedBatchNorm[T op.Float](l *BatchNorm, s batchSize) *maskedBatchNorm[T] {
	return &maskedBatchNorm[T]{batchNorm: newBatchNorm[T](l, batchSize{0, s.channels, 1}), whole: s}
}

func (k *maskedBatchNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	clear(out.Data)
	k.count(in[len(in)-1].Ints)
	if k.outer == 0 {
		return nil
	}
	if k.ownStatistics && k.outer == 1 {
		return errors.New("the mask leaves 1 row to take statistics over, want 2 or more, or none")
	}
	k.pack(&k.x, in[0].Data)
	k.y = cpu.Grow(k.y, len(k.x))
	if err := k.forward(k.y, k.x, gamma(in), beta(in)); err != nil {
		return err
	}
	k.unpack(out.Data, k.y)
	return nil
}

func (k *maskedBatchNorm[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	for _, d := range din {
		clear(d.Data)
	}
	if k.outer == 0 {
		return nil
	}
	k.pack(&k.dy, dout.Data)
	k.dx = cpu.Grow(k.dx, len(k.x))
	k.backward(k.dx, gamma(din), beta(din), k.x, gamma(in), k.dy)
	k.unpack(din[0].Data, k.dx)
	return nil
}

// count finds the rows whose mask is not 0.
func (k *maskedBatchNorm[T]) count(mask []int) {
	k.counted = k.counted[:0]
	for i, m := range mask {
		if m != 0 {
			k.counted = append(k.counted, i/k.whole.inner*k.channels*k.whole.inner+i%k.whole.inner)
		}
	}
	k.outer = len(k.counted)
}

// pack copies x's rows that count.
func (k *maskedBatchNorm[T]) pack(packed *[]T, x []T) {
	*packed = cpu.Grow(*packed, len(k.counted)*k.channels)
	p := *packed
	for _, at := range k.counted {
		for j := range k.channels {
			p[j] = x[at+j*k.whole.inner]
		}
		p = p[k.channels:]
	}
}

// unpack puts packed rows where they are in x.
func (k *maskedBatchNorm[T]) unpack(x, packed []T) {
	for _, at := range k.counted {
		for j, v := range packed[:k.channels] {
			x[at+j*k.whole.inner] = v
		}
		packed = packed[k.channels:]
	}
}
