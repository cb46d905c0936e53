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

// parameter is a weight's memory and its gradient, to be worked on in place.
type parameter interface {
	label() string
	memory() memory
	join(parameter)

	newMoments() any
	update(a *AdamW)
	zeroGrad()

	gradSquares() float64
	gradMaxAbs() float64
	gradSquaresOver(unit float64) float64
	clip(n scaledNorm, limit float64, scaled map[any]bool)
}

// memory is where a weight's elements are. The pointer keeps them alive, so that no
// other weight ever gets their address.
type memory struct {
	first    any     // *float32 or *float64
	from, to uintptr // of all elements
}

// typed is a parameter of one element type.
type typed[T cpu.Float] struct {
	name   string
	dims   int
	values []T
	grads  [][]T // one of each node that has the weight's memory
}

func (p *typed[T]) label() string { return p.name }

func (p *typed[T]) memory() memory {
	first := &p.values[0]
	from := uintptr(unsafe.Pointer(first))
	return memory{first, from, from + uintptr(len(p.values))*unsafe.Sizeof(*first)}
}

// join adds the gradients of another node with the same memory.
func (p *typed[T]) join(other parameter) { p.grads = append(p.grads, other.(*typed[T]).grads...) }

// grad is the weight's gradient, the sum of all.
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

// parameters are those of a model that have elements, each memory once. It is an error
// if one of them cannot be worked on.
func parameters(model []G.ValueGrad) ([]parameter, error) {
	params := make([]parameter, 0, len(model))
	there := make(map[memory]parameter, len(model))
	given := make(map[G.ValueGrad]bool, len(model))
	for i, vg := range model {
		v := reflect.ValueOf(vg)
		if !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
			return nil, fmt.Errorf("train: weight %d is nil", i)
		}
		if v.Comparable() {
			if given[vg] {
				continue
			}
			given[vg] = true
		}
		name := fmt.Sprintf("weight %d", i)
		if n, ok := vg.(G.Namer); ok {
			name = n.Name()
		}
		p, err := newParameter(name, vg)
		if err != nil {
			return nil, fmt.Errorf("train: %s %w", name, err)
		}
		if p == nil {
			continue
		}
		if first := there[p.memory()]; first != nil {
			first.join(p)
			continue
		}
		there[p.memory()] = p
		params = append(params, p)
	}
	return params, nil
}

// newParameter is the parameter of a node, or nil where that has no elements.
func newParameter(name string, vg G.ValueGrad) (parameter, error) {
	value := vg.Value()
	if value == nil {
		return nil, errors.New("has no value")
	}
	if slices.Contains(value.Shape(), 0) {
		return nil, nil
	}
	w, err := backing(value)
	if err != nil {
		return nil, err
	}
	grad, err := vg.Grad()
	if err != nil {
		return nil, fmt.Errorf("has no gradient: %w", err)
	}
	if grad == nil {
		return nil, errors.New("has no gradient: run its graph first")
	}
	g, err := backing(grad)
	if err != nil {
		return nil, fmt.Errorf("has a gradient that %w", err)
	}
	if !value.Shape().Eq(grad.Shape()) {
		return nil, fmt.Errorf("has shape %v and its gradient %v, want the same", value.Shape(), grad.Shape())
	}
	if constant(vg, grad) {
		return nil, errors.New("has a gradient that is a constant of the graph, which others share: make the machine with gorgonia.BindDualValues")
	}
	dims := value.Shape().Dims()
	switch w := w.(type) {
	case []float32:
		if g, ok := g.([]float32); ok {
			return &typed[float32]{name, dims, w, [][]float32{g}}, nil
		}
	case []float64:
		if g, ok := g.([]float64); ok {
			return &typed[float64]{name, dims, w, [][]float64{g}}, nil
		}
	}
	return nil, fmt.Errorf("is of type %v and its gradient of type %v, want the same", value.Dtype(), grad.Dtype())
}

// constant reports whether a gradient is the value of a constant, which Gorgonia shares
// between graphs. An example is the gradient of a scalar that is a term of the cost.
func constant(vg G.ValueGrad, grad G.Value) bool {
	n, ok := vg.(*G.Node)
	if !ok || n.Deriv() == nil {
		return false
	}
	c, ok := n.Deriv().Op().(interface{ Value() G.Value })
	return ok && c.Value() == grad
}

// backing is a value's elements, a []float32 or a []float64.
func backing(v G.Value) (any, error) {
	switch v := v.(type) {
	case *G.F32:
		return unsafe.Slice((*float32)(v), 1), nil
	case *G.F64:
		return unsafe.Slice((*float64)(v), 1), nil
	case *tensor.Dense:
		if v.Dtype().Type == nil {
			return nil, errors.New("is without memory: its graph has been unbound")
		}
		if v.RequiresIterator() || !op.InOrder(v) {
			return nil, fmt.Errorf("is a view or not in row-major order (shape %v), want a tensor whose elements follow each other", v.Shape())
		}
		switch n := v.Shape().TotalSize(); v.Dtype() {
		case tensor.Float32:
			return v.Float32s()[:n:n], nil
		case tensor.Float64:
			return v.Float64s()[:n:n], nil
		}
		return nil, fmt.Errorf("is of type %v, want float32 or float64", v.Dtype())
	}
	return nil, fmt.Errorf("is a %T, want a dense tensor or a scalar of float32 or float64", v)
}
