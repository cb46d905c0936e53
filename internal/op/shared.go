package op

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Gorgonia's constants are nodes that all graphs share, and a node writes its hash when a graph
// first asks for it. Two goroutines whose first gradients come at the same time would both write
// it. This takes a gradient before there are others.
func init() {
	for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		x := G.NewScalar(G.NewGraph(), dt, G.WithName("x"))
		if _, err := G.Grad(G.Must(G.Neg(x)), x); err != nil {
			panic("op: Gorgonia cannot differentiate a negation") // which it can
		}
	}
}
