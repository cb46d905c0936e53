package layers

import (
	"fmt"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// checkMask returns an error unless the mask of x has one of the shapes, type int and the layer's
// graph.
func (m *module) checkMask(x, mask *G.Node, shapes ...tensor.Shape) error {
	if err := op.CheckNode(mask); err != nil {
		return m.errorf("the mask %w", err)
	}
	if mask.Graph() != nil && mask.Graph() != m.g {
		return m.errorf("the mask is a node of another graph than the layer's")
	}
	if mask.Dtype() != tensor.Int {
		return m.errorf("the mask is of type %v, want int", mask.Dtype())
	}
	var want []string
	for _, s := range shapes {
		if slices.Equal(mask.Shape(), s) {
			return nil
		}
		want = append(want, fmt.Sprint(s))
	}
	return m.errorf("the mask has shape %v, want %s (input shape %v)",
		mask.Shape(), strings.Join(want, " or "), x.Shape())
}

// masked adds the node of a norm of the elements that a mask counts. The features are on the axes
// at, counted from the front. A mask without these axes has an element for each position.
func (m *module) masked(x, mask *G.Node, at []int, sets cpu.Sets, zeroCentred bool) (*G.Node, error) {
	shape := x.Shape()
	if err := m.checkMask(x, mask, shape, otherSizes(shape, at...)); err != nil {
		return nil, err
	}
	sets.Each = mask.Dims() == len(shape)
	f32 := affine(m, newMaskedNorm[float32](sets, zeroCentred))
	f64 := affine(m, newMaskedNorm[float64](sets, zeroCentred))
	return op.Apply(m.label(), shape, f32, f64, append(m.with(x), mask)...)
}

// maskedNorm is the kernel. Its inputs are x, γ and β if present, and the mask.
type maskedNorm[T op.Float] struct {
	norm cpu.MaskedNorm[T]
	gain gain[T]
}

func newMaskedNorm[T op.Float](sets cpu.Sets, zeroCentred bool) *maskedNorm[T] {
	return &maskedNorm[T]{norm: cpu.MaskedNorm[T]{Sets: sets}, gain: gain[T]{zeroCentred: zeroCentred}}
}

func (k *maskedNorm[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	in, mask := in[:len(in)-1], in[len(in)-1].Ints
	k.norm.Forward(out.Data, in[0].Data, k.gain.of(gamma(in)), beta(in), mask)
	return nil
}

func (k *maskedNorm[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	in, mask := in[:len(in)-1], in[len(in)-1].Ints
	k.norm.Backward(din[0].Data, gamma(din), beta(din), in[0].Data, k.gain.of(gamma(in)), mask, dout.Data)
	return nil
}

// gain computes what a norm multiplies by: the weight, or 1 + weight.
type gain[T op.Float] struct {
	zeroCentred bool
	scratch     []T
}

// of returns the gain for a weight. Both may be nil, for a gain of 1.
func (g *gain[T]) of(weight []T) []T {
	if !g.zeroCentred {
		return weight
	}
	g.scratch = cpu.Grow(g.scratch, len(weight))
	for j, w := range weight {
		g.scratch[j] = 1 + w
	}
	return g.scratch
}
