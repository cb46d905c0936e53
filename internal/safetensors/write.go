package safetensors

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	format "github.com/nlpodyssey/safetensors"
	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
)

// countName is PyTorch's name for BatchNorm's count of batches.
const countName = "num_batches_tracked"

// IsCount reports whether a name, with or without a prefix, is that of BatchNorm's count of batches.
// The count is a scalar in PyTorch and in files. Here it has the shape (1), because Gorgonia's tensors
// cannot read a scalar back from gob.
func IsCount(name string) bool {
	return name == countName || strings.HasSuffix(name, "."+countName)
}

// Write writes tensors of type float32, float64, int64 and uint8 by name. It writes counts as scalars.
// The data of the uint8 tensor whose name is the last in byte order ends the file.
func Write(w io.Writer, tensors map[string]*tensor.Dense, metadata map[string]string) error {
	if w == nil {
		return errors.New("the writer is nil")
	}
	views := make(map[string]View)
	for name, d := range tensors {
		if d == nil {
			return fmt.Errorf("%s has no value, its graph has been unbound", name)
		}
		if _, ok := dtypes[d.Dtype()]; !ok {
			return fmt.Errorf("%s is of type %v, want float32, float64, int64 or uint8", name, d.Dtype())
		}
		views[name] = ViewOf(name, d)
	}
	return format.SerializeToWriter(views, metadata, w)
}

// View is a tensor for the format's package, whose own type does not support scalars.
type View struct {
	dense  *tensor.Dense
	scalar bool
}

// ViewOf returns the view of a tensor that Write writes under this name.
func ViewOf(name string, d *tensor.Dense) View {
	return View{d, IsCount(name) && d.Shape().TotalSize() == 1}
}

var dtypes = map[tensor.Dtype]format.DType{
	tensor.Float32: format.F32,
	tensor.Float64: format.F64,
	tensor.Int64:   format.I64,
	tensor.Uint8:   format.U8,
}

// DType returns the format's name for the element type.
func (v View) DType() format.DType { return dtypes[v.dense.Dtype()] }

// Shape returns the shape in the file.
func (v View) Shape() []uint64 {
	if v.scalar {
		return []uint64{}
	}
	shape := make([]uint64, v.dense.Dims())
	for i, n := range v.dense.Shape() {
		shape[i] = uint64(n)
	}
	return shape
}

// Data returns the elements in row-major order.
func (v View) Data() []byte {
	d := v.dense
	if !op.InOrder(d) || d.DataSize() != d.Shape().TotalSize() { // a slice may hold more
		d = op.Clone(d)
	}
	b, _ := binary.Append(nil, binary.LittleEndian, d.Data()) // never fails, because the numbers have a fixed size
	return b
}

// DataLen returns the length of Data.
func (v View) DataLen() uint64 {
	return uint64(v.dense.Shape().TotalSize()) * v.DType().Size()
}
