package op

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// ApplySum is Apply for a kernel that adds its inputs, float tensors of one shape. The gradient of
// each input is the output's gradient, which gorgonia.Grad passes on. Only a LispMachine runs the
// kernel's Backward.
func ApplySum(label string, f32 Kernel[float32], f64 Kernel[float64], inputs ...*G.Node) (*G.Node, error) {
	dt, err := floatType(inputs)
	if err != nil {
		return nil, fmt.Errorf("layers: %s: %w", label, err)
	}
	shape := inputs[0].Shape()
	if dt == tensor.Float32 {
		return apply(&sum[float32]{newForward(label, shape, f32, inputs)}, inputs)
	}
	return apply(&sum[float64]{newForward(label, shape, f64, inputs)}, inputs)
}

// sum is forward with a symbolic gradient that needs no computation.
type sum[T Float] struct{ *forward[T] }

// SymDiff returns the output's gradient for every input.
func (s *sum[T]) SymDiff(inputs G.Nodes, _, grad *G.Node) (G.Nodes, error) {
	grads := make(G.Nodes, len(inputs))
	for i := range grads {
		grads[i] = grad
	}
	return grads, nil
}
