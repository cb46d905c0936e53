package layers

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// rowAxes are the axes of x that a row of a norm such as LayerNorm runs through, the last fastest.
type rowAxes struct {
	axes  []int        // nil: the last ones
	shape tensor.Shape // their sizes
}

// rowAxesOf returns the axes that the options choose. Their sizes are shape.
func rowAxesOf(c config, shape tensor.Shape) rowAxes {
	for i, axis := range c.axes {
		if axis != i-len(c.axes) {
			return rowAxes{c.axes, shape}
		}
	}
	return rowAxes{nil, shape}
}

// of checks x and returns the axes, counted from the front.
func (r rowAxes) of(m *module, x *G.Node) ([]int, error) {
	if r.axes != nil {
		return m.locate(x, r.axes, r.shape)
	}
	if err := m.endsWith(x, r.shape); err != nil {
		return nil, err
	}
	last := make([]int, len(r.shape))
	for i := range last {
		last[i] = x.Dims() - len(last) + i
	}
	return last, nil
}

// apply adds the node of a row norm.
func (r rowAxes) apply(m *module, x *G.Node, f32 op.Twice[float32], f64 op.Twice[float64]) (*G.Node, error) {
	at, err := r.of(m, x)
	if err != nil {
		return nil, err
	}
	if r.axes != nil {
		if places := rowPlaces(x, at); !places.InOrder() {
			f32, f64 = newPackedRows(f32, places), newPackedRows(f64, places)
		}
	}
	return op.Apply(m.label(), x.Shape(), affine(m, f32), affine(m, f64), m.with(x)...)
}

// masked adds the node of a row norm of the elements that a mask counts. The settings of the norm
// are those of sets.
func (r rowAxes) masked(m *module, x, mask *G.Node, sets cpu.Sets, zeroCentred bool) (*G.Node, error) {
	at, err := r.of(m, x)
	if err != nil {
		return nil, err
	}
	sets.Places, sets.Groups, sets.Positions = rowPlaces(x, at), 1, 1
	return m.masked(x, mask, at, sets, zeroCentred)
}

// rowPlaces returns the places in x of the elements of rows along the axes.
func rowPlaces(x *G.Node, at []int) cpu.Places {
	return cpu.NewPlaces(x.Shape(), without(x.Shape(), at), at)
}

// packedRows is a row norm's kernel for rows whose elements are not contiguous in x. It packs them
// first.
type packedRows[T op.Float] struct {
	kernel       op.Twice[T]
	packing      cpu.Packing[T]
	shape        tensor.Shape // (rows, columns)
	x, y, dx, dy []T
	u, ddx, ddy  []T
	in, din      []op.Array[T] // reused
}

func newPackedRows[T op.Float](kernel op.Twice[T], places cpu.Places) *packedRows[T] {
	return &packedRows[T]{
		kernel:  kernel,
		packing: cpu.Packing[T]{Places: places},
		shape:   tensor.Shape{len(places.Rows), len(places.Cols)},
	}
}

func (k *packedRows[T]) array(data *[]T) op.Array[T] {
	*data = cpu.Grow(*data, k.shape.TotalSize())
	return op.Array[T]{Shape: k.shape, Data: *data}
}

func (k *packedRows[T]) pack(data *[]T, x op.Array[T]) op.Array[T] {
	packed := k.array(data)
	k.packing.Pack(packed.Data, x.Data)
	return packed
}

func (k *packedRows[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	x, y := k.pack(&k.x, in[0]), k.array(&k.y)
	k.in = append(append(k.in[:0], x), in[1:]...)
	if err := k.kernel.Forward(y, k.in); err != nil {
		return err
	}
	k.packing.Unpack(out.Data, y.Data)
	return nil
}

// Backward and Second use the x that Forward has packed.
func (k *packedRows[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	dx, dy := k.array(&k.dx), k.pack(&k.dy, dout)
	k.in = append(append(k.in[:0], k.array(&k.x)), in[1:]...)
	k.din = append(append(k.din[:0], dx), din[1:]...)
	if err := k.kernel.Backward(k.din, k.in, k.array(&k.y), dy); err != nil {
		return err
	}
	k.packing.Unpack(din[0].Data, dx.Data)
	return nil
}

func (k *packedRows[T]) Second(
	i int, ddin []op.Array[T], ddout op.Array[T], in []op.Array[T], dout, u op.Array[T],
) error {
	if i == 0 { // u belongs to dx
		u = k.pack(&k.u, u)
	}
	ddx, ddy, dy := k.array(&k.ddx), k.array(&k.ddy), k.pack(&k.dy, dout)
	k.in = append(append(k.in[:0], k.array(&k.x)), in[1:]...)
	k.din = append(append(k.din[:0], ddx), ddin[1:]...)
	if err := k.kernel.Second(i, k.din, ddy, k.in, dy, u); err != nil {
		return err
	}
	k.packing.Unpack(ddin[0].Data, ddx.Data)
	k.packing.Unpack(ddout.Data, ddy.Data)
	return nil
}
