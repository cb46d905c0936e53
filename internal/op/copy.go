package op

import "gorgonia.org/tensor"

// Copy copies src's elements into dst's memory, whatever the order in which each
// of them holds its own. Both are of one shape and of one type: float32, float64
// or int64.
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

// Clone is a copy in row-major order, of one of Copy's types.
func Clone(d *tensor.Dense) *tensor.Dense {
	c := tensor.New(tensor.WithShape(d.Shape()...), tensor.Of(d.Dtype()))
	Copy(c, d)
	return c
}
