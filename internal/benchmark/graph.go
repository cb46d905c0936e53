package benchmark

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
)

// eps of every norm.
const eps = 1e-5

// graphNorm adds a norm of x to x's graph and returns its output and its weights.
type graphNorm func(x *G.Node) (y *G.Node, weights G.Nodes, err error)

// differentiated returns a graph with a norm of a random x and its gradients for a random
// upstream gradient. The nodes out are the norm's output and the gradients of x and of the
// weights.
func differentiated(s matrixSize, norm graphNorm) (g *G.ExprGraph, out G.Nodes, err error) {
	g = G.NewGraph()
	x := matrix(g, "x", random(1, s.rows*s.cols), s)
	dy := matrix(g, "dy", random(2, s.rows*s.cols), s)
	y, weights, err := norm(x)
	if err != nil {
		return nil, nil, err
	}
	grads, err := G.Backpropagate(G.Nodes{y}, G.Nodes{dy}, append(G.Nodes{x}, weights...))
	return g, append(G.Nodes{y}, grads...), err
}

// machine runs a norm forward and backward on Gorgonia's TapeMachine.
type machine struct{ vm G.VM }

func newMachine(s matrixSize, norm graphNorm) (*machine, error) {
	g, _, err := differentiated(s, norm)
	if err != nil {
		return nil, err
	}
	return &machine{G.NewTapeMachine(g)}, nil
}

func (m *machine) run() error {
	defer m.vm.Reset()
	return m.vm.RunAll()
}

func (m *machine) close() { m.vm.Close() }

// matrix adds a matrix with the given values to the graph.
func matrix(g *G.ExprGraph, name string, values []float32, s matrixSize) *G.Node {
	v := tensor.New(tensor.WithShape(s.rows, s.cols), tensor.WithBacking(values))
	return G.NewMatrix(g, tensor.Float32, G.WithShape(s.rows, s.cols), G.WithName(name), G.WithValue(v))
}

// ours returns the norm of package layers with that name.
func ours(name string) graphNorm {
	return func(x *G.Node) (*G.Node, G.Nodes, error) {
		l, err := newNorm(x.Graph(), name, x.Shape()[1])
		if err != nil {
			return nil, nil, err
		}
		y, err := l.Forward(x)
		return y, l.Learnables(), err
	}
}

// newNorm returns the layer with that name.
func newNorm(g *G.ExprGraph, name string, cols int) (layers.Layer, error) {
	switch name {
	case "LayerNorm":
		return layers.NewLayerNorm(g, cols, layers.WithEps(eps))
	case "RMSNorm":
		return layers.NewRMSNorm(g, cols, layers.WithEps(eps))
	case "BatchNorm":
		return layers.NewBatchNorm(g, cols, layers.WithEps(eps))
	default:
		return nil, fmt.Errorf("there is no norm %q", name)
	}
}
