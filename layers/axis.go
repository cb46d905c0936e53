package layers

import G "gorgonia.org/gorgonia"

// channels checks x, whose given axis, counted from the end where it is negative, has
// an element a feature, and gives the number of elements before and after the axis: x
// is seen as (before, features, after).
func (m *module) channels(x *G.Node, axis, features int) (before, after int, err error) {
	if err := m.check(x); err != nil {
		return 0, 0, err
	}
	shape := x.Shape()
	dims := shape.Dims()
	if dims == 0 {
		return 0, 0, m.errorf("last dimension is missing, want %d (input shape %v)", features, shape)
	}
	if axis < -dims || axis >= dims {
		return 0, 0, m.errorf("axis is %d, want one of the input's, %d to %d (input shape %v)", axis, -dims, dims-1, shape)
	}
	at := axis
	if at < 0 {
		at += dims
	}
	switch {
	case shape[at] == features:
	case at == dims-1:
		return 0, 0, m.errorf("last dimension is %d, want %d (input shape %v)", shape[at], features, shape)
	default:
		return 0, 0, m.errorf("axis %d has size %d, want %d (input shape %v)", axis, shape[at], features, shape)
	}
	if err := m.checkDtype(x); err != nil {
		return 0, 0, err
	}
	before, after = 1, 1
	for i, n := range shape {
		switch {
		case i < at:
			before *= n
		case i > at:
			after *= n
		}
	}
	return before, after, nil
}
