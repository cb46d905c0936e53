package train

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/op"
)

// parameter is the memory of a weight and of its gradient, which its methods change.
type parameter interface {
	label() string
	memory() memory
	join(G.ValueGrad) error

	newMoments() any
	update(a *AdamW)
	zeroGrad()

	gradSquares() float64
	gradMaxAbs() float64
	gradSquaresOver(unit float64) float64
	clip(n scaledNorm, limit float64, scaled map[memory]bool)
}

// memory is the address range of elements and the size of one. Go does not move them. To
// keep a memory, keep the elements as well, or Go reuses the addresses.
type memory struct{ from, to, size uintptr }

func memoryOf[T cpu.Float](s []T) memory {
	from, size := uintptr(unsafe.Pointer(unsafe.SliceData(s))), unsafe.Sizeof(s[0])
	return memory{from, from + uintptr(len(s))*size, size}
}

// typed is a parameter of one element type.
type typed[T cpu.Float] struct {
	index  int // in the model
	values []T
	dims   int
	nodes  []G.ValueGrad // with this memory
	grads  [][]T         // of the nodes
}

// parameters returns the model's parameters that have elements, one for each memory. It
// returns an error if one of them cannot be updated in place.
func parameters(model []G.ValueGrad) ([]parameter, error) {
	params := make([]parameter, 0, len(model))
	seen := make(map[memory]parameter, len(model))
	for i, vg := range model {
		p, err := newParameter(i, vg)
		if err == nil && p != nil {
			if first := seen[p.memory()]; first != nil {
				err = first.join(vg)
			} else {
				seen[p.memory()] = p
				params = append(params, p)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("train: %s %w", label(i, vg), err)
		}
	}
	return params, nil
}

// label returns the name of a weight, or its index in the model if it has none.
func label(index int, vg G.ValueGrad) string {
	if n, ok := vg.(G.Namer); ok && !op.IsNil(vg) {
		return n.Name()
	}
	return fmt.Sprintf("weight %d", index)
}

// newParameter returns the parameter of a node, or nil if the node has no elements.
func newParameter(index int, vg G.ValueGrad) (parameter, error) {
	if op.IsNil(vg) {
		return nil, errors.New("is nil")
	}
	value := vg.Value()
	switch {
	case value == nil:
		return nil, errors.New("has no value")
	case slices.Contains(value.Shape(), 0):
		return nil, nil
	case value.Dtype() == tensor.Float32:
		return newTyped[float32](index, vg, value)
	case value.Dtype() == tensor.Float64:
		return newTyped[float64](index, vg, value)
	case value.Dtype().Type == nil:
		return nil, errors.New("has no memory: its graph has been unbound")
	}
	return nil, fmt.Errorf("is of type %v, want float32 or float64", value.Dtype())
}

func newTyped[T cpu.Float](index int, vg G.ValueGrad, value G.Value) (parameter, error) {
	values, err := backing[T](value)
	if err != nil {
		return nil, err
	}
	grad, err := gradient[T](vg, value)
	if err != nil {
		return nil, err
	}
	return &typed[T]{index, values, value.Shape().Dims(), []G.ValueGrad{vg}, [][]T{grad}}, nil
}

// gradient returns the elements of a node's gradient. It returns an error if they cannot
// be changed in place.
func gradient[T cpu.Float](vg G.ValueGrad, value G.Value) ([]T, error) {
	grad, err := vg.Grad()
	switch {
	case err != nil:
		return nil, fmt.Errorf("has no gradient: %w", err)
	case grad == nil:
		return nil, errors.New("has no gradient: run its graph first")
	case value.Dtype() != grad.Dtype():
		return nil, fmt.Errorf("is of type %v and its gradient of type %v, want the same", value.Dtype(), grad.Dtype())
	case !value.Shape().Eq(grad.Shape()):
		return nil, fmt.Errorf("has shape %v and its gradient %v, want the same", value.Shape(), grad.Shape())
	case constant(vg, grad):
		return nil, errors.New("has a gradient that is a constant, which other graphs share: " +
			"make the machine with gorgonia.BindDualValues")
	}
	g, err := backing[T](grad)
	if err != nil {
		return nil, fmt.Errorf("has a gradient that %w", err)
	}
	return g, nil
}

// constant reports whether a gradient is the value of a constant, which Gorgonia shares
// among graphs. An example is the gradient of a scalar that is a term of the cost.
func constant(vg G.ValueGrad, grad G.Value) bool {
	n, ok := vg.(*G.Node)
	if !ok || n.Deriv() == nil {
		return false
	}
	c, ok := n.Deriv().Op().(interface{ Value() G.Value })
	return ok && c.Value() == grad
}

// backing returns the memory of a value of type T.
func backing[T cpu.Float](v G.Value) ([]T, error) {
	switch v := v.(type) {
	case *G.F32:
		return unsafe.Slice((*T)(unsafe.Pointer(v)), 1), nil
	case *G.F64:
		return unsafe.Slice((*T)(unsafe.Pointer(v)), 1), nil
	case *tensor.Dense:
		if v.RequiresIterator() || !op.InOrder(v) {
			return nil, fmt.Errorf("is a view or not in row-major order (shape %v), want a contiguous tensor", v.Shape())
		}
		var all []T
		switch all := any(&all).(type) {
		case *[]float32:
			*all = v.Float32s()
		case *[]float64:
			*all = v.Float64s()
		}
		return all[:v.Shape().TotalSize()], nil
	}
	return nil, fmt.Errorf("is a %T, want a dense tensor or a scalar", v)
}

func (p *typed[T]) label() string  { return label(p.index, p.nodes[0]) }
func (p *typed[T]) memory() memory { return memoryOf(p.values) }

// join adds another node with the same memory and its gradient.
func (p *typed[T]) join(vg G.ValueGrad) error {
	if reflect.ValueOf(vg).Comparable() && slices.Contains(p.nodes, vg) {
		return nil
	}
	grad, err := gradient[T](vg, vg.Value())
	p.nodes, p.grads = append(p.nodes, vg), append(p.grads, grad)
	return err
}

// grad returns the weight's gradient, summed over its nodes.
func (p *typed[T]) grad() []T {
	if len(p.grads) == 1 {
		return p.grads[0]
	}
	sum := slices.Clone(p.grads[0])
	for _, g := range p.grads[1:] {
		for i, v := range g {
			sum[i] += v
		}
	}
	return sum
}

func (p *typed[T]) zeroGrad() {
	for _, g := range p.grads {
		clear(g)
	}
}
