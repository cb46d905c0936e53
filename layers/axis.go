package layers

import (
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// sizesAround returns the sizes of x before and after the features' axis, which turn x into (outer,
// features, inner). It returns an error unless the axis has that many features. A negative axis is
// counted from the end.
func (m *module) sizesAround(x *G.Node, axis, features int) (outer, inner int, err error) {
	at, err := m.locate(x, []int{axis}, tensor.Shape{features})
	if err != nil {
		return 0, 0, err
	}
	shape := x.Shape()
	return shape[:at[0]].TotalSize(), shape[at[0]+1:].TotalSize(), nil
}

// locate returns the given axes of x counted from the front, or an error unless they have
// the given sizes. A negative axis is counted from the end.
func (m *module) locate(x *G.Node, axes []int, sizes tensor.Shape) (at []int, err error) {
	if err := m.check(x); err != nil {
		return nil, err
	}
	shape := x.Shape()
	dims := shape.Dims()
	if dims == 0 {
		return nil, m.errorf("last dimension is missing, want %d (input shape %v)", sizes[len(sizes)-1], shape)
	}
	for i, axis := range axes {
		if axis < -dims || axis >= dims {
			return nil, m.errorf("axis is %d, want one of the input's, %d to %d (input shape %v)",
				axis, -dims, dims-1, shape)
		}
		k := fromFront(axis, dims)
		if j := slices.Index(at, k); j >= 0 {
			return nil, m.errorf("axes %d and %d are the same, want different ones (input shape %v)",
				axes[j], axis, shape)
		}
		switch {
		case shape[k] == sizes[i]:
		case k == dims-1:
			return nil, m.errorf("last dimension is %d, want %d (input shape %v)", shape[k], sizes[i], shape)
		default:
			return nil, m.errorf("axis %d has size %d, want %d (input shape %v)", axis, shape[k], sizes[i], shape)
		}
		at = append(at, k)
	}
	if err := m.checkDtype(x); err != nil {
		return nil, err
	}
	return at, nil
}

// fromFront returns an axis counted from the front. A negative axis is counted from the end.
func fromFront(axis, dims int) int { return (axis + dims) % dims }

// without returns the axes of a shape that are not among the given ones, in order.
func without(shape tensor.Shape, axes []int) (others []int) {
	for axis := range shape {
		if !slices.Contains(axes, axis) {
			others = append(others, axis)
		}
	}
	return others
}

// otherSizes returns the sizes of the axes that without returns.
func otherSizes(shape tensor.Shape, axes ...int) tensor.Shape {
	sizes := make(tensor.Shape, 0, len(shape))
	for _, axis := range without(shape, axes) {
		sizes = append(sizes, shape[axis])
	}
	return sizes
}
