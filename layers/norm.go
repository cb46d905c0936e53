package layers

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/extent"
	"gorgonorm/internal/op"
)

// newNorm returns the module of a norm, with gamma and beta unless options leave them out, and the
// shape of the features, which gamma and beta have.
func newNorm(kind string, g *G.ExprGraph, features int, c config) (module, tensor.Shape, error) {
	shape := tensor.Shape{features}
	if c.shape != nil {
		shape = tensor.Shape(c.shape).Clone()
	}
	m, err := newModule(kind, g, c)
	if err != nil {
		return m, shape, err
	}
	if features < 1 {
		return m, shape, m.errorf("features is %d, want 1 or more", features)
	}
	for _, n := range shape {
		if n < 1 {
			return m, shape, m.errorf("the features' shape is %v, want sizes of 1 or more", shape)
		}
	}
	switch n, err := extent.Of("a row", shape); {
	case err != nil:
		return m, shape, m.errorf("%w", err)
	case n != features:
		return m, shape, m.errorf("the features' shape %v has %d elements, want %d", shape, n, features)
	}
	one := 1.0
	if c.zeroCentred {
		one = 0
	}
	var all []learnable
	if c.weight {
		all = append(all, learnable{"weight", initOr(c.weightInit, constant(one)), shape})
	}
	if c.bias {
		all = append(all, learnable{"bias", initOr(c.biasInit, constant(0)), shape})
	}
	m.biasOnly = c.bias && !c.weight
	return m, shape, m.learnAll(all...)
}

// gamma returns the second array's elements, nil if there are fewer arrays.
func gamma[T op.Float](arrays []op.Array[T]) []T { return data(arrays, 1) }

// beta returns the third array's elements, nil if there are fewer arrays.
func beta[T op.Float](arrays []op.Array[T]) []T { return data(arrays, 2) }

func data[T op.Float](arrays []op.Array[T], i int) []T {
	if i >= len(arrays) {
		return nil
	}
	return arrays[i].Data
}
