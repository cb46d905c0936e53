package layers

import "gorgonorm/internal/op"

// biasOnly is the kernel of a norm that has β but no γ. The norm's own kernel takes γ
// before β, and an empty γ as ones.
type biasOnly[T op.Float] struct {
	op.Kernel[T]
	in, din []op.Array[T] // reused
}

// biasOnlyTwice is biasOnly for a kernel whose gradients have gradients.
type biasOnlyTwice[T op.Float] struct {
	biasOnly[T]
	twice op.Twice[T]
}

// biasOnlyModal is biasOnly for a kernel with modes.
type biasOnlyModal[T op.Float] struct {
	biasOnly[T]
	modal op.Modal[T]
}

// affineModal is affine for a kernel with modes.
func affineModal[T op.Float](m *module, k op.Modal[T]) op.Modal[T] {
	if !m.biasOnly {
		return k
	}
	return &biasOnlyModal[T]{biasOnly[T]{Kernel: k}, k}
}

// affine returns the norm's kernel k, wrapped if the norm has β but no γ.
func affine[T op.Float](m *module, k op.Kernel[T]) op.Kernel[T] {
	if !m.biasOnly {
		return k
	}
	b := biasOnly[T]{Kernel: k}
	if twice, ok := k.(op.Twice[T]); ok {
		return &biasOnlyTwice[T]{b, twice}
	}
	return &b
}

func (k *biasOnly[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	return k.Kernel.Forward(out, withGamma(&k.in, in))
}

func (k *biasOnly[T]) Backward(din, in []op.Array[T], out, dout op.Array[T]) error {
	return k.Kernel.Backward(withGamma(&k.din, din), withGamma(&k.in, in), out, dout)
}

// SetTraining passes on a machine's mode.
func (k *biasOnlyModal[T]) SetTraining(training bool) { k.modal.SetTraining(training) }

func (k *biasOnlyTwice[T]) Second(
	i int, ddin []op.Array[T], ddout op.Array[T], in []op.Array[T], dout, u op.Array[T],
) error {
	if i > 0 {
		i++ // for k.twice, input 1 is γ
	}
	return k.twice.Second(i, withGamma(&k.din, ddin), ddout, withGamma(&k.in, in), dout, u)
}

// withGamma returns the arrays in scratch, with an empty γ inserted after x.
func withGamma[T op.Float](scratch *[]op.Array[T], arrays []op.Array[T]) []op.Array[T] {
	*scratch = append(append((*scratch)[:0], arrays[0], op.Array[T]{}), arrays[1:]...)
	return *scratch
}
