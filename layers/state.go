package layers

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
)

// State is tensors by PyTorch's names: weight, bias, running_mean, running_var,
// num_batches_tracked. Those of a layer are relative to it, as in its
// state_dict().
type State map[string]*tensor.Dense

// buffer is a part of the state that is not learned. All placements of a layer
// work with the same tensor.
type buffer struct {
	suffix string
	value  *tensor.Dense
}

func (m *module) buffer(suffix string, value *tensor.Dense) {
	m.buffers = append(m.buffers, buffer{suffix, value})
}

// tensors are those the layer works with; a learnable that has been unbound has
// none.
func (m *module) tensors() State {
	s := make(State)
	for _, n := range m.learnables {
		s[strings.TrimPrefix(n.Name(), m.name+".")], _ = n.Value().(*tensor.Dense)
	}
	for _, b := range m.buffers {
		s[b.suffix] = b.value
	}
	return s
}

// State is a copy of the learnables' values and of the statistics. A learnable
// has nil there once its graph's values have been given away with UnbindAll.
func (m *module) State() State {
	s := m.tensors()
	for name, d := range s {
		if d != nil {
			s[name] = op.Clone(d)
		}
	}
	return s
}

// Load copies the values of a state into the layer and all its placements, between
// runs. The state must have the names, shapes and types of the layer's own; if not, one
// error says all that is wrong, and nothing has changed.
func (m *module) Load(s State) error {
	own := m.tensors()
	if err := own.admits(s); err != nil {
		return m.errorf("%w", err)
	}
	values := make(State, len(s)) // first: s may hold the layer's own tensors
	for name, d := range s {
		values[name] = op.Clone(d)
	}
	for i, n := range m.learnables {
		if err := m.memory[i].Rejoin(n); err != nil {
			return m.errorf("%w", err)
		}
	}
	for name, d := range m.tensors() {
		op.Copy(d, values[name])
	}
	return nil
}

// admits compares a state with the one that is to take its values.
func (own State) admits(s State) error {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	for name, to := range own {
		from, given := s[name]
		switch {
		case !given:
			fault("%s is missing", name)
		case empty(from):
			fault("%s is nil", name)
		case empty(to):
			fault("%s has no memory in the layer, whose graph has been unbound", name)
		default:
			if !slices.Equal(from.Shape(), to.Shape()) {
				fault("%s has shape %v, want %v", name, from.Shape(), to.Shape())
			}
			if from.Dtype() != to.Dtype() {
				fault("%s is of type %v, want %v", name, from.Dtype(), to.Dtype())
			}
		}
	}
	for name := range s {
		if _, ok := own[name]; !ok {
			fault("%s is unexpected", name)
		}
	}
	if len(faults) == 0 {
		return nil
	}
	slices.Sort(faults)
	return errors.New("cannot load the state: " + strings.Join(faults, "; "))
}

// empty is a tensor that is none: nil, or given back to Gorgonia's pool.
func empty(d *tensor.Dense) bool { return d == nil || d.Dtype().Type == nil }
