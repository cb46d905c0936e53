package layers

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
	"gorgonorm/internal/safetensors"
)

// State is tensors by PyTorch's names: weight, bias, running_mean, running_var,
// num_batches_tracked. Those of a layer are relative to it, as in its
// state_dict(). It can be encoded with gob, and Save and ReadState write and read it as
// a safetensors file. num_batches_tracked has the shape (1), not PyTorch's (), because
// gob cannot decode a scalar tensor; Load takes either.
type State map[string]*tensor.Dense

// GobEncode encodes the tensors by their names. A tensor that is nil is an error.
func (s State) GobEncode() ([]byte, error) {
	for name, d := range s {
		if empty(d) {
			return nil, fmt.Errorf("layers: encoding a state: %s has no value, its graph has been unbound", name)
		}
	}
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(map[string]*tensor.Dense(s))
	return b.Bytes(), err
}

// GobDecode decodes what GobEncode has encoded.
func (s *State) GobDecode(b []byte) error {
	return gob.NewDecoder(bytes.NewReader(b)).Decode((*map[string]*tensor.Dense)(s))
}

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
// error says all that is wrong, and nothing has changed. Only num_batches_tracked may be
// missing, as in states of Keras, Flax and early versions of PyTorch. It is then 0.
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
		if from, given := values[name]; given {
			op.Copy(d, from)
		} else {
			d.Zero()
		}
	}
	return nil
}

// rejoin makes the values that gorgonia.Let has given to this placement alone those of all
// placements.
func (m *module) rejoin() error {
	for i, n := range m.learnables {
		if err := m.memory[i].Adopt(n); err != nil {
			return m.errorf("%w", err)
		}
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
		case !given && safetensors.IsCount(name):
		case !given:
			fault("%s is missing", name)
		case empty(from):
			fault("%s is nil", name)
		case empty(to):
			fault("%s has no memory in the layer, whose graph has been unbound", name)
		default:
			compare(name, from, to, fault)
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

// compare says how a tensor differs from what the layer's own can take.
func compare(name string, from, to *tensor.Dense, fault func(format string, args ...any)) {
	oneCount := safetensors.IsCount(name) && from.Shape().TotalSize() == 1 && from.Dims() <= 1
	if !slices.Equal(from.Shape(), to.Shape()) && !oneCount {
		fault("%s has shape %v, want %v", name, from.Shape(), to.Shape())
	}
	if from.Dtype() != to.Dtype() {
		fault("%s is of type %v, want %v", name, from.Dtype(), to.Dtype())
	} else if v, want := impossible(name, from); want != "" {
		fault("%s holds %v, want %s", name, v, want)
	}
}

// impossible returns the first number that a statistic or a count cannot be, and what it
// is to be; "" where there is none.
func impossible(name string, d *tensor.Dense) (v float64, want string) {
	count, variance := safetensors.IsCount(name), strings.HasSuffix(name, "running_var")
	if !count && !variance && !strings.HasSuffix(name, "running_mean") {
		return 0, ""
	}
	for _, v := range op.Numbers(d) {
		switch {
		case !finite(v):
			return v, "a finite number"
		case v < 0 && (count || variance):
			return v, "0 or more"
		}
	}
	return 0, ""
}

// empty is a tensor that is none: nil, or given back to Gorgonia's pool.
func empty(d *tensor.Dense) bool { return d == nil || d.Dtype().Type == nil }
