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

// State returns a copy of the weights, with nanoGPT's names, and of BatchNorm's running
// statistics, with PyTorch's names. The head's weight, transformer.wte.weight, appears once.
func (m *Model) State() layers.State { return m.stateful().State() }

// Load copies the values of a state into the model and thereby into all its placements. The names,
// shapes and types must be those of State; otherwise Load returns an error that lists all
// differences, and changes nothing. The state may also contain nanoGPT's lm_head.weight, which
// must equal transformer.wte.weight. No graph of the model may run during the call.
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
		return fmt.Errorf("transformer: %w (%s must equal %s)", err, headWeight, wteWeight)
	default:
		return fmt.Errorf("transformer: %w", err)
	}
}

// Snapshot returns a snapshot of BatchNorm's running statistics, for a training loop that skips
// steps whose loss or gradient is not finite.
func (m *Model) Snapshot() *layers.Snapshot { return m.stateful().Snapshot() }

// equal reports whether two tensors have the same shape and numbers. Types and the signs of zeros
// may differ.
func equal(a, b *tensor.Dense) bool {
	x, y := op.Numbers(a), op.Numbers(b)
	same := func(v, w float64) bool { return v == w || math.IsNaN(v) && math.IsNaN(w) }
	return x != nil && y != nil && slices.Equal(a.Shape(), b.Shape()) && slices.EqualFunc(x, y, same)
}

// stateful returns the layers that have a state, in nanoGPT's order.
func (m *Model) stateful() layers.Stack {
	s := layers.Stack{m.wte, m.wpe}
	for _, b := range m.blocks {
		s = append(s, b.stateful()...)
	}
	return append(s, m.finalNorm...)
}
