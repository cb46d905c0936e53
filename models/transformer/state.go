package transformer

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"gorgonia.org/tensor"

	"gorgonorm/internal/safetensors"
	"gorgonorm/layers"
)

// State is a copy of the weights, by nanoGPT's names, and of BatchNorm's running
// statistics, by PyTorch's. The head's weight is transformer.wte.weight, and not
// there a second time.
func (m *Model) State() layers.State { return m.stateful().State() }

// Load gives the model, and thereby all its placements, the values of a state. Its
// names, shapes and types must be those of State: if any is not, that is an error
// that names them all, and nothing is changed. It may have nanoGPT's
// lm_head.weight besides, if that equals transformer.wte.weight. No graph that the
// model stands on may run meanwhile.
func (m *Model) Load(s layers.State) error {
	weight, given := s[headWeight]
	tied := given && m.equal(weight, s[wteWeight])
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
// skips steps which are not finite.
func (m *Model) Snapshot() *layers.Snapshot { return m.stateful().Snapshot() }

// equal says that two tensors of the model's type are one to the last bit.
func (m *Model) equal(a, b *tensor.Dense) bool {
	return a != nil && b != nil && a.Dtype() == m.config.Dtype && b.Dtype() == m.config.Dtype &&
		slices.Equal(a.Shape(), b.Shape()) && bytes.Equal(safetensors.ViewOf("", a).Data(), safetensors.ViewOf("", b).Data())
}

// stateful are the layers that have a state, in nanoGPT's order.
func (m *Model) stateful() layers.Stack {
	s := layers.Stack{m.wte, m.wpe}
	for _, b := range m.blocks {
		s = append(s, b.stateful()...)
	}
	return append(s, m.finalNorm...)
}
