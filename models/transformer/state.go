package transformer

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
	"gorgonorm/layers"
)

// State is a copy of the weights, by nanoGPT's names, and of BatchNorm's running
// statistics, by PyTorch's. The head's weight is transformer.wte.weight, and not
// there a second time.
func (m *Model) State() layers.State { return m.stateful().State() }

// Load gives the model, and thereby all its placements, the values of a state. Its
// names, shapes and types must be those of State: if any is not, that is an error
// that names them all, and nothing is changed. It may also have nanoGPT's lm_head.weight,
// with the numbers of transformer.wte.weight. No graph that the model stands on may run
// meanwhile.
func (m *Model) Load(s layers.State) error {
	weight, given := s[headWeight]
	tied := given && equal(weight, s[wteWeight])
	if tied {
		s = maps.Clone(s)
		delete(s, headWeight)
	}
	err := m.stateful().Load(s)
	switch {
	case err == nil:
		return nil
	case given && !tied:
		return fmt.Errorf("transformer: %w (%s would have to equal %s)", err, headWeight, wteWeight)
	default:
		return fmt.Errorf("transformer: %w", err)
	}
}

// Snapshot takes a snapshot of BatchNorm's running statistics, for a training loop that
// skips a step whose loss or gradient is not finite.
func (m *Model) Snapshot() *layers.Snapshot { return m.stateful().Snapshot() }

// equal reports whether two tensors have the same shape and numbers. They may
// differ in type, and in the sign of a zero.
func equal(a, b *tensor.Dense) bool {
	x, y := op.Numbers(a), op.Numbers(b)
	return x != nil && y != nil && slices.Equal(a.Shape(), b.Shape()) && slices.EqualFunc(x, y, func(v, w float64) bool {
		return v == w || math.IsNaN(v) && math.IsNaN(w)
	})
}

// stateful are the layers that have a state, in nanoGPT's order.
func (m *Model) stateful() layers.Stack {
	s := layers.Stack{m.wte, m.wpe}
	for _, b := range m.blocks {
		s = append(s, b.stateful()...)
	}
	return append(s, m.finalNorm...)
}
