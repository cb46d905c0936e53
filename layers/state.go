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

// State maps PyTorch's names to tensors: weight, bias, running_mean, running_var,
// num_batches_tracked. A layer's State has names without the layer's own, as its state_dict() in
// PyTorch. Gob encodes a State, and Save and ReadState write and read it as a safetensors file.
// num_batches_tracked has the shape (1), not PyTorch's (), because gob cannot decode a scalar
// tensor. Load takes either shape.
type State map[string]*tensor.Dense

// GobEncode returns the names and tensors, encoded. It returns an error if a tensor is nil.
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

// GobDecode sets the State to one that GobEncode has encoded.
func (s *State) GobDecode(b []byte) error {
	return gob.NewDecoder(bytes.NewReader(b)).Decode((*map[string]*tensor.Dense)(s))
}

// buffer is a part of the state that is not learned. All placements of a layer share its tensor.
type buffer struct {
	suffix string
	value  *tensor.Dense
}

// buffer adds a tensor to the layer's state.
func (m *module) buffer(suffix string, value *tensor.Dense) {
	m.buffers = append(m.buffers, buffer{suffix, value})
}

// tensors returns the tensors that the layer works with, not copies. That of an unbound learnable is
// nil.
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

// State returns a copy of the learnables' values and of the running statistics. After UnbindAll on
// the layer's graph, the tensors of learnables are nil.
func (m *module) State() State {
	s := m.tensors()
	for name, d := range s {
		if d != nil {
			s[name] = op.Clone(d)
		}
	}
	return s
}

// Load copies the values of a state into the layer, and thereby into all its placements, between
// runs. The state must have the names, shapes and types of the layer's own. Otherwise Load changes
// nothing and returns an error that names every fault. Only num_batches_tracked may be missing, as
// in states of Keras, Flax and early versions of PyTorch. It then becomes 0.
func (m *module) Load(s State) error {
	own := m.tensors()
	if err := own.check(s); err != nil {
		return m.errorf("%w", err)
	}
	values := make(State, len(s)) // copied first, because s may hold the layer's own tensors
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

// rejoin copies the values that gorgonia.Let has set on this placement to all placements.
func (m *module) rejoin() error {
	for i, n := range m.learnables {
		if err := m.memory[i].Adopt(n); err != nil {
			return m.errorf("%w", err)
		}
	}
	return nil
}

// check returns an error with every reason why own cannot take the values of s.
func (own State) check(s State) error {
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
			compareTensors(name, from, to, fault)
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

// compareTensors calls fault for each reason why a layer's tensor cannot take the values of another.
func compareTensors(name string, from, to *tensor.Dense, fault func(format string, args ...any)) {
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

// impossible returns the first number that a statistic or a count cannot be, and a description of
// what it should be, which is "" if all numbers are possible.
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

// empty reports whether d is nil or has been returned to Gorgonia's pool.
func empty(d *tensor.Dense) bool { return d == nil || d.Dtype().Type == nil }
