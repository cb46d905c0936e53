package main

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
)

// eps of every norm.
const eps = 1e-5

// graphNorm puts a norm of x on x's graph and returns its output and its weights.
type graphNorm func(x *G.Node) (y *G.Node, weights G.Nodes, err error)

// differentiated is a graph of a norm's output for a random x and of its
// gradients, of x and the weights, for a random upstream gradient.
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

func matrix(g *G.ExprGraph, name string, values []float32, s matrixSize) *G.Node {
	v := tensor.New(tensor.WithShape(s.rows, s.cols), tensor.WithBacking(values))
	return G.NewMatrix(g, tensor.Float32, G.WithShape(s.rows, s.cols), G.WithName(name), G.WithValue(v))
}

// ours is a norm of package layers, by name.
func ours(name string) graphNorm {
	return func(x *G.Node) (*G.Node, G.Nodes, error) {
		cols := x.Shape()[1]
		var l layers.Layer
		var err error
		switch name {
		case "LayerNorm":
			l, err = layers.NewLayerNorm(x.Graph(), cols, layers.WithEps(eps))
		case "RMSNorm":
			l, err = layers.NewRMSNorm(x.Graph(), cols, layers.WithEps(eps))
		case "BatchNorm":
			l, err = layers.NewBatchNorm(x.Graph(), cols, layers.WithEps(eps))
		default:
			err = fmt.Errorf("there is no norm %q", name)
		}
		if err != nil {
			return nil, nil, err
		}
		y, err := l.Forward(x)
		return y, l.Learnables(), err
	}
}

// gorgonias is the norm as Gorgonia alone offers it: BatchNorm is its own, the
// others are composed of its operations.
func gorgonias(name string) graphNorm {
	return func(x *G.Node) (y *G.Node, weights G.Nodes, err error) {
		defer func() { // of G.Must
			if r := recover(); r != nil {
				err = fmt.Errorf("building Gorgonia's %s: %v", name, r)
			}
		}()
		cols := x.Shape()[1]
		gamma := matrix(x.Graph(), "gamma", slices.Repeat([]float32{1}, cols), matrixSize{1, cols})
		beta := matrix(x.Graph(), "beta", make([]float32, cols), matrixSize{1, cols})
		switch name {
		case "BatchNorm":
			y, _, _, _, err = G.BatchNorm(x, gamma, beta, 0.9, eps)
			return y, G.Nodes{gamma, beta}, err
		case "LayerNorm":
			y = standardized(G.Must(G.BroadcastSub(x, rowMean(x), nil, []byte{1})))
			y = G.Must(G.BroadcastHadamardProd(y, gamma, nil, []byte{0}))
			return G.Must(G.BroadcastAdd(y, beta, nil, []byte{0})), G.Nodes{gamma, beta}, nil
		default:
			y = G.Must(G.BroadcastHadamardProd(standardized(x), gamma, nil, []byte{0}))
			return y, G.Nodes{gamma}, nil
		}
	}
}

// standardized is x/√(mean(x²) + eps), a row at a time.
func standardized(x *G.Node) *G.Node {
	rms := G.Must(G.Sqrt(G.Must(G.Add(rowMean(G.Must(G.Square(x))), G.NewConstant(float32(eps))))))
	return G.Must(G.BroadcastHadamardDiv(x, rms, nil, []byte{1}))
}

// rowMean is a column of the rows' means.
func rowMean(x *G.Node) *G.Node {
	s := x.Shape()
	mean := G.Must(G.Div(G.Must(G.Sum(x, 1)), G.NewConstant(float32(s[1]))))
	return G.Must(G.Reshape(mean, tensor.Shape{s[0], 1}))
}
