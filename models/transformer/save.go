package transformer

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/nlpodyssey/safetensors"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
)

// Save writes the weights, and BatchNorm's running statistics, in the
// safetensors format, under nanoGPT's names and PyTorch's running_mean and
// running_var.
func (m *Model) Save(w io.Writer) error {
	tensors := make(map[string]*tensor.Dense)
	for _, n := range m.Learnables() {
		tensors[n.Name()] = n.Value().(*tensor.Dense)
	}
	for _, l := range m.norms() {
		if b, ok := l.(*layers.BatchNorm); ok {
			tensors[b.Name()+".running_mean"] = b.RunningMean()
			tensors[b.Name()+".running_var"] = b.RunningVar()
		}
	}
	views := make(map[string]safetensors.TensorView, len(tensors))
	for name, d := range tensors {
		v, err := view(d)
		if err != nil {
			return fmt.Errorf("transformer: saving %s: %w", name, err)
		}
		views[name] = v
	}
	if err := safetensors.SerializeToWriter(views, map[string]string{"format": "pt"}, w); err != nil {
		return fmt.Errorf("transformer: saving: %w", err)
	}
	return nil
}

func (m *Model) norms() (n stack) {
	for _, b := range m.blocks {
		n = slices.Concat(n, b.norm1, b.norm2)
	}
	return append(n, m.finalNorm...)
}

func view(d *tensor.Dense) (safetensors.TensorView, error) {
	shape := make([]uint64, d.Dims())
	for i, n := range d.Shape() {
		shape[i] = uint64(n)
	}
	dt := safetensors.F32
	if d.Dtype() == tensor.Float64 {
		dt = safetensors.F64
	}
	data, err := binary.Append(nil, binary.LittleEndian, d.Data())
	if err != nil {
		return safetensors.TensorView{}, err
	}
	return safetensors.NewTensorView(dt, shape, data)
}
