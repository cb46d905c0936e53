package layers

import (
	"errors"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// maskedBatchNorm is BatchNorm's kernel for the rows that a mask counts. It packs them together. The
// mask is the last input.
type maskedBatchNorm[T op.Float] struct {
	*batchNorm[T]                // of the packed rows
	packing       cpu.Packing[T] // its Rows are those that count
	inner         int            // of x
	x, y, dx, dy  []T            // packed
}

func newMaskedBatchNorm[T op.Float](l *BatchNorm, s batchSize) *maskedBatchNorm[T] {
	return &maskedBatchNorm[T]{
		batchNorm: newBatchNorm[T](l, batchSize{features: s.features, inner: 1}),
		packing:   cpu.Packing[T]{Places: cpu.NewPlaces([]int{s.features, s.inner}, nil, []int{0})},
		inner:     s.inner,
	}
}

func (k *maskedBatchNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	clear(out.Data)
	k.count(in[len(in)-1].Ints)
	rows := len(k.packing.Rows)
	if rows == 0 {
		return nil
	}
	if k.ownStatistics && rows == 1 {
		return errors.New("the mask leaves 1 row to compute statistics over, want 2 or more, or none")
	}
	k.pack(&k.x, in[0].Data)
	k.y = cpu.Grow(k.y, len(k.x))
	if err := k.forward(k.y, k.x, gamma(in), beta(in)); err != nil {
		return err
	}
	k.packing.Unpack(out.Data, k.y)
	return nil
}

func (k *maskedBatchNorm[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	for _, d := range din {
		clear(d.Data)
	}
	if len(k.packing.Rows) == 0 {
		return nil
	}
	k.pack(&k.dy, dout.Data)
	k.dx = cpu.Grow(k.dx, len(k.x))
	k.backward(k.dx, gamma(din), beta(din), k.x, gamma(in), k.dy)
	k.packing.Unpack(din[0].Data, k.dx)
	return nil
}

// count finds the rows whose mask is not 0.
func (k *maskedBatchNorm[T]) count(mask []int) {
	rows, stride := k.packing.Rows[:0], k.norm.Features*k.inner
	for i, m := range mask {
		if m != 0 {
			rows = append(rows, i/k.inner*stride+i%k.inner)
		}
	}
	k.packing.Rows = rows
}

// pack copies the rows of x that count.
func (k *maskedBatchNorm[T]) pack(packed *[]T, x []T) {
	*packed = cpu.Grow(*packed, len(k.packing.Rows)*k.norm.Features)
	k.packing.Pack(*packed, x)
}
