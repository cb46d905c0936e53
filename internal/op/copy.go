package op

import "gorgonia.org/tensor"

// Copy copies the elements of src to dst. Their memory may have different orders, but they must have
// the same shape and the same type: float32, float64 or int64.
func Copy(dst, src *tensor.Dense) {
	switch dst.Dtype() {
	case tensor.Float32:
		copyElements(dst, dst.Float32s(), src, src.Float32s())
	case tensor.Float64:
		copyElements(dst, dst.Float64s(), src, src.Float64s())
	case tensor.Int64:
		copyElements(dst, dst.Int64s(), src, src.Int64s())
	}
}

func copyElements[E any](dst *tensor.Dense, to []E, src *tensor.Dense, from []E) {
	var scratch []E
	elements := contiguous(src, from, &scratch)
	if InOrder(dst) {
		copy(to, elements)
		return
	}
	next := 0
	walk(dst, func(i int) { to[i] = elements[next]; next++ })
}

// Clone returns a copy in row-major order. It supports Copy's types.
func Clone(d *tensor.Dense) *tensor.Dense {
	c := tensor.New(tensor.WithShape(d.Shape()...), tensor.Of(d.Dtype()))
	Copy(c, d)
	return c
}

// Numbers returns a tensor's elements in row-major order as a new slice of float64. It returns nil
// for nil and for types other than Copy's.
func Numbers(d *tensor.Dense) []float64 {
	if d == nil {
		return nil
	}
	switch d.Dtype() {
	case tensor.Float32:
		return widen(d, d.Float32s())
	case tensor.Float64:
		return widen(d, d.Float64s())
	case tensor.Int64:
		return widen(d, d.Int64s())
	}
	return nil
}

// SetNumbers sets the elements of a float32 or float64 tensor, in row-major order.
func SetNumbers(d *tensor.Dense, numbers []float64) {
	next := 0
	switch d.Dtype() {
	case tensor.Float32:
		memory := d.Float32s()
		walk(d, func(i int) { memory[i] = float32(numbers[next]); next++ })
	case tensor.Float64:
		memory := d.Float64s()
		walk(d, func(i int) { memory[i] = numbers[next]; next++ })
	}
}

func widen[E Float | int64](d *tensor.Dense, memory []E) []float64 {
	var scratch []E
	elements := contiguous(d, memory, &scratch)
	numbers := make([]float64, len(elements))
	for i, v := range elements {
		numbers[i] = float64(v)
	}
	return numbers
}
