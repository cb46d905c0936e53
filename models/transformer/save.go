package transformer

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/nlpodyssey/safetensors"
	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
)

// Save writes the model's State in the safetensors format, lm_head.weight with it, as
// nanoGPT's state_dict() has it, and as metadata, under keys that begin with gorgonorm.,
// what Load cannot tell from names and shapes.
func (m *Model) Save(w io.Writer) error {
	views := make(map[string]view)
	for name, d := range m.tensors() {
		if d == nil {
			return fmt.Errorf("transformer: saving: %s has no value, its graph has been unbound", name)
		}
		views[name] = view{d}
	}
	views[headWeight] = views[wteWeight]
	if err := safetensors.SerializeToWriter(views, m.config.metadata(), w); err != nil {
		return fmt.Errorf("transformer: saving: %w", err)
	}
	return nil
}

// view is a tensor as the format wants it; the library's own takes no scalars.
type view struct{ d *tensor.Dense }

var dtypes = map[tensor.Dtype]safetensors.DType{
	tensor.Float32: safetensors.F32,
	tensor.Float64: safetensors.F64,
	tensor.Int64:   safetensors.I64,
}

func (v view) DType() safetensors.DType { return dtypes[v.d.Dtype()] }

func (v view) Shape() []uint64 {
	shape := make([]uint64, v.d.Dims())
	for i, n := range v.d.Shape() {
		shape[i] = uint64(n)
	}
	return shape
}

func (v view) Data() []byte {
	d := v.d
	if !op.InOrder(d) || d.DataSize() != d.Shape().TotalSize() { // a slice may hold more
		d = op.Clone(d)
	}
	b, _ := binary.Append(nil, binary.LittleEndian, d.Data()) // numbers of a fixed size, which it takes
	return b
}

func (v view) DataLen() uint64 {
	return uint64(v.d.Shape().TotalSize()) * v.DType().Size()
}
