package layers

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	format "github.com/nlpodyssey/safetensors"
	"gorgonia.org/tensor"

	"gorgonorm/internal/safetensors"
)

// Save writes the state in the safetensors format, which PyTorch reads:
//
//	module.load_state_dict(safetensors.torch.load_file(path))
//
// If a tensor is nil, Save writes nothing and returns an error.
func (s State) Save(w io.Writer) error {
	if err := safetensors.Write(w, s, map[string]string{"format": "pt"}); err != nil {
		return fmt.Errorf("layers: saving a state: %w", err)
	}
	return nil
}

// ReadState reads a file written by Save, or by PyTorch's safetensors.torch.save_file from a
// state_dict(). Numbers of float16 and bfloat16 are widened to float32.
func ReadState(path string) (State, error) { return readState(path, nil) }

// Save writes the layer's State to a safetensors file, as State.Save does.
func (m *module) Save(w io.Writer) error { return m.State().Save(w) }

// LoadFile loads the State in a safetensors file, as Load does. Numbers of smaller types than the
// layer's are widened. Numbers of larger types are an error.
func (m *module) LoadFile(path string) error { return loadFile(m, path) }

// Save writes the norms' State to a safetensors file, as State.Save does.
func (l *QKNorm) Save(w io.Writer) error { return l.State().Save(w) }

// LoadFile loads the State in a safetensors file, as Load does.
func (l *QKNorm) LoadFile(path string) error { return loadFile(l, path) }

// Save writes the layers' State to a safetensors file, as State.Save does.
func (s Stack) Save(w io.Writer) error {
	if err := s.check(); err != nil {
		return err
	}
	return s.State().Save(w)
}

// LoadFile loads the State in a safetensors file, as Load does.
func (s Stack) LoadFile(path string) error {
	if err := s.check(); err != nil {
		return err
	}
	return loadFile(s, path)
}

// stateful is a layer or a Stack.
type stateful interface {
	State() State
	Load(State) error
}

func loadFile(l stateful, path string) error {
	s, err := readState(path, l.State())
	if err != nil {
		return err
	}
	if err := l.Load(s); err != nil {
		return fmt.Errorf("%w (in %s)", err, path)
	}
	return nil
}

// readState reads a file's tensors. A tensor gets the type of the one with its name in like, if that
// type can hold the file's numbers, and otherwise the file's type.
func readState(path string, like State) (s State, err error) {
	f, err := safetensors.Open(path)
	if err != nil {
		return nil, fmt.Errorf("layers: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	s = make(State)
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(f.Tensors)) {
		t := f.Tensors[name]
		dt, ok := stateType(t.DType, like[name])
		switch {
		case !ok:
			faults = append(faults, fmt.Sprintf("%s is of type %v, want F16, BF16, F32, F64 or, for a count, I64",
				name, t.DType))
			continue
		case t.Len() == 0, dt == tensor.Int64 && t.Len() != 1:
			faults = append(faults, fmt.Sprintf("%s of type %v has the shape %v", name, t.DType, t.Shape))
			continue
		}
		if s[name], err = readTensor(f, name, dt); err != nil {
			return nil, fmt.Errorf("layers: %w", err)
		}
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("layers: cannot read %s: %s", path, strings.Join(faults, "; "))
	}
	return s, nil
}

// stateType returns the type for a file's tensor of type d. It reports false if there is none.
func stateType(d format.DType, like *tensor.Dense) (tensor.Dtype, bool) {
	switch {
	case d == format.I64:
		return tensor.Int64, true
	case safetensors.Holds[float32](d) && (empty(like) || like.Dtype() != tensor.Float64):
		return tensor.Float32, true
	case safetensors.Holds[float64](d):
		return tensor.Float64, true
	}
	return tensor.Dtype{}, false
}

// readTensor returns the file's tensor of that name as one of type dt.
func readTensor(f *safetensors.File, name string, dt tensor.Dtype) (*tensor.Dense, error) {
	shape := tensor.Shape(f.Tensors[name].Shape)
	if len(shape) == 0 { // gob cannot decode a scalar
		shape = tensor.Shape{1}
	}
	d := tensor.New(tensor.WithShape(shape...), tensor.Of(dt))
	return d, safetensors.Fill(f, name, d)
}
