package benchmark

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// gorgonia compares the forward and backward passes of norms on a graph, with our layers and
// with Gorgonia's operations.
func (b *bench) gorgonia() error {
	t := newTable("norm", "rows×cols", "threads", "ours", "Gorgonia's", "Gorgonia's/ours", "target")
	for _, k := range kernels {
		if err := b.gorgoniaNorm(t, b.sizes.gorgonia, k.name); err != nil {
			return err
		}
	}
	return b.print("Norms on a graph and Gorgonia's operations",
		`Forward and backward on a TapeMachine: our layer, and Gorgonia without it, which has its own BatchNorm and other
norms composed of its operations.`, t)
}

func (b *bench) gorgoniaNorm(t *table, s matrixSize, name string) error {
	our, err := newMachine(s, ours(name))
	if err != nil {
		return err
	}
	defer our.close()
	their, err := newMachine(s, gorgoniaOnly(name))
	if err != nil {
		return err
	}
	defer their.close()
	for _, n := range b.threads {
		m, err := b.compare(n, name, timed(our.run), timed(their.run))
		if err != nil {
			return err
		}
		t.add(name, s.String(), fmt.Sprint(n), duration(m.median(0)), duration(m.median(1)),
			number(m.ratio(1, 0)), atLeast(100, m.ratio(1, 0)))
	}
	return nil
}

// gorgoniaOnly returns a norm without our layers: Gorgonia's own BatchNorm, or another norm
// composed of its operations.
func gorgoniaOnly(name string) graphNorm {
	return func(x *G.Node) (y *G.Node, weights G.Nodes, err error) {
		defer func() { // G.Must panics
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

// standardized returns x/√(mean(x²) + eps), with the mean over a row.
func standardized(x *G.Node) *G.Node {
	rms := G.Must(G.Sqrt(G.Must(G.Add(rowMean(G.Must(G.Square(x))), G.NewConstant(float32(eps))))))
	return G.Must(G.BroadcastHadamardDiv(x, rms, nil, []byte{1}))
}

// rowMean returns a column with the means of the rows.
func rowMean(x *G.Node) *G.Node {
	s := x.Shape()
	mean := G.Must(G.Div(G.Must(G.Sum(x, 1)), G.NewConstant(float32(s[1]))))
	return G.Must(G.Reshape(mean, tensor.Shape{s[0], 1}))
}
