package op

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func dtype[T Float]() tensor.Dtype {
	var z T
	if _, ok := any(z).(float32); ok {
		return tensor.Float32
	}
	return tensor.Float64
}

func shapeError(what string, got, want tensor.Shape) error {
	return fmt.Errorf("%s has shape %v, want %v", what, got, want)
}

// reader converts the values that a machine passes to an operation to arrays.
type reader[T Float] struct {
	shapes  []tensor.Shape
	float   []bool
	arrays  []Array[T] // reused
	scratch [][]T      // copies of inputs that are not contiguous
	ids     [][]int
}

func newReader[T Float](inputs []*G.Node) reader[T] {
	n := len(inputs)
	r := reader[T]{
		shapes:  make([]tensor.Shape, n),
		float:   make([]bool, n),
		arrays:  make([]Array[T], n),
		scratch: make([][]T, n),
		ids:     make([][]int, n),
	}
	for i, in := range inputs {
		r.shapes[i] = in.Shape()
		r.float[i] = in.Dtype() != tensor.Int
	}
	return r
}

func (r *reader[T]) read(values []G.Value) ([]Array[T], error) {
	if len(values) != len(r.shapes) {
		return nil, fmt.Errorf("got %d inputs, want %d", len(values), len(r.shapes))
	}
	for i, v := range values {
		if err := r.readOne(i, v); err != nil {
			return nil, err
		}
	}
	return r.arrays, nil
}

func (r *reader[T]) readOne(i int, v G.Value) error {
	if v == nil {
		return fmt.Errorf("input %d has no value", i)
	}
	want := tensor.Int
	if r.float[i] {
		want = dtype[T]()
	}
	if v.Dtype() != want {
		return fmt.Errorf("input %d is of type %v, want %v", i, v.Dtype(), want)
	}
	if got := v.Shape(); got.TotalSize() != r.shapes[i].TotalSize() || !got.Eq(r.shapes[i]) {
		return shapeError(fmt.Sprintf("input %d", i), got, r.shapes[i])
	}
	a := &r.arrays[i]
	a.Shape = r.shapes[i]
	switch v := v.(type) {
	case *tensor.Dense:
		if r.float[i] {
			a.Data = contiguous(v, Floats[T](v), &r.scratch[i])
		} else {
			a.Ints = contiguous(v, v.Ints(), &r.ids[i])
		}
	case *G.F32, *G.F64:
		a.Data = append(r.scratch[i][:0], scalar[T](v))
		r.scratch[i] = a.Data
	case *G.I:
		a.Ints = append(r.ids[i][:0], int(*v))
		r.ids[i] = a.Ints
	default:
		return fmt.Errorf("input %d is a %T, want a dense tensor or a scalar", i, v)
	}
	return nil
}

// Floats returns a dense tensor's memory. Unlike the tensor's Data, it does not allocate.
func Floats[T Float](d *tensor.Dense) []T {
	if d.Dtype() == tensor.Float32 {
		return any(d.Float32s()).([]T)
	}
	return any(d.Float64s()).([]T)
}

func scalar[T Float](v G.Value) T {
	switch v := v.(type) {
	case *G.F32:
		return T(*v)
	case *G.F64:
		return T(*v)
	}
	panic("op: not a float scalar")
}

// InOrder reports whether a tensor's memory holds its elements in row-major order without gaps. It
// uses only the strides, because the flags of a slice of a transposed tensor claim that the slice
// is contiguous.
func InOrder(d *tensor.Dense) bool {
	shape, strides, next := d.Shape(), d.Strides(), 1
	for axis := len(shape) - 1; axis >= 0; axis-- {
		if shape[axis] != 1 && strides[axis] != next {
			return false
		}
		next *= shape[axis]
	}
	return true
}

// contiguous returns the tensor's elements in row-major order: its own memory if it is in that order,
// or else a copy in scratch.
func contiguous[E any](d *tensor.Dense, memory []E, scratch *[]E) []E {
	if InOrder(d) {
		return memory[:d.Shape().TotalSize()] // a slice may hold more
	}
	s := (*scratch)[:0]
	walk(d, func(i int) { s = append(s, memory[i]) })
	*scratch = s
	return s
}

// walk calls f with the index in memory of each element, in row-major order.
func walk(d *tensor.Dense, f func(i int)) {
	shape, strides := d.Shape(), d.Strides()
	index := make([]int, len(shape))
	offset := 0
	for range shape.TotalSize() {
		f(offset)
		for axis := len(shape) - 1; axis >= 0; axis-- {
			index[axis]++
			offset += strides[axis]
			if index[axis] < shape[axis] {
				break
			}
			offset -= index[axis] * strides[axis]
			index[axis] = 0
		}
	}
}

// accumulate adds g to a gradient that Gorgonia stores.
func accumulate[T Float](d G.Value, g []T) error {
	switch d := d.(type) {
	case *G.F32:
		*d += G.F32(g[0])
	case *G.F64:
		*d += G.F64(g[0])
	case *tensor.Dense:
		if d.Dtype() != dtype[T]() || d.Shape().TotalSize() != len(g) {
			return fmt.Errorf("a gradient is stored as %v %v, want %v with %d elements",
				d.Dtype(), d.Shape(), dtype[T](), len(g))
		}
		memory, next := Floats[T](d), 0
		if InOrder(d) {
			for i, v := range g {
				memory[i] += v
			}
			return nil
		}
		walk(d, func(i int) { memory[i] += g[next]; next++ })
	default:
		return fmt.Errorf("a gradient is stored as %T, want a dense tensor or a scalar", d)
	}
	return nil
}

// value is memory that an operation owns and returns on every run.
type value[T Float] struct {
	shape tensor.Shape
	data  []T
	dense *tensor.Dense
	f32   *G.F32
	f64   *G.F64
}

func (v *value[T]) array() Array[T] {
	if v.data == nil {
		v.data = make([]T, v.shape.TotalSize())
	}
	return Array[T]{Shape: v.shape, Data: v.data}
}

// value returns the memory as a Gorgonia value. It creates a new tensor header only if the last one
// has been reshaped, transposed or recycled.
func (v *value[T]) value() G.Value {
	if v.shape.IsScalar() {
		return v.scalar()
	}
	if !v.intact() {
		v.dense = tensor.New(tensor.WithShape(v.shape...), tensor.WithBacking(v.data))
	}
	return v.dense
}

func (v *value[T]) intact() bool {
	d := v.dense
	if d == nil || d.Dtype() != dtype[T]() || d.Dims() != v.shape.Dims() || !d.Shape().Eq(v.shape) || !InOrder(d) {
		return false
	}
	return len(v.data) == 0 || &Floats[T](d)[0] == &v.data[0]
}

func (v *value[T]) scalar() G.Value {
	if dtype[T]() == tensor.Float32 {
		if v.f32 == nil {
			v.f32 = new(G.F32)
		}
		*v.f32 = G.F32(v.data[0])
		return v.f32
	}
	if v.f64 == nil {
		v.f64 = new(G.F64)
	}
	*v.f64 = G.F64(v.data[0])
	return v.f64
}
