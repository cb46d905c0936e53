package benchmark

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"gorgonorm/layers"
)

// addNorm compares a residual connection and the norm after it in one pass with both in turn, as kernels and on a
// graph.
func (b *bench) addNorm() error {
	t := newTable("norm", "rows×cols", "threads", "forward", "apart/one", "backward", "apart/one", "target",
		"graph", "apart/one", "target")
	for _, s := range []matrixSize{b.sizes.inCache, b.sizes.outOfCache} {
		o := newSumOperands(s.rows, s.cols)
		for _, k := range sumKernels {
			if err := b.addNormOf(t, s, k, o); err != nil {
				return err
			}
		}
	}
	return b.print("A residual connection and a norm",
		`The sum of two tensors and its norm in one pass, and the gradient of the sum, to which the norm and its other uses
contribute; and how many times as long an addition and a norm take in turn. "Graph" is both passes on a TapeMachine, with
AddNorm and with Residual and the norm.`, t)
}

func (b *bench) addNormOf(t *table, s matrixSize, k sumKernel, o *sumOperands) error {
	one, err := newSumMachine(s, k.name, layers.AddNorm)
	if err != nil {
		return err
	}
	defer one.close()
	apart, err := newSumMachine(s, k.name, residualThenNorm)
	if err != nil {
		return err
	}
	defer apart.close()
	for _, n := range b.threads {
		m, err := b.compare(n, fmt.Sprintf("%s of a sum, %v", k.name, s),
			plain(func() { k.forward(o) }), plain(func() { k.apart.forward(o) }),
			plain(func() { k.backward(o) }), plain(func() { k.apart.backward(o) }),
			timed(one.run), timed(apart.run))
		if err != nil {
			return err
		}
		t.add(k.name, s.String(), fmt.Sprint(n), duration(m.median(0)), number(m.ratio(1, 0)),
			duration(m.median(2)), number(m.ratio(3, 2)), atLeast(1.3, min(m.ratio(1, 0), m.ratio(3, 2))),
			duration(m.median(4)), number(m.ratio(5, 4)), atLeast(1.3, m.ratio(5, 4)))
	}
	return nil
}

// newSumMachine returns a machine that runs a norm of a sum of two inputs forward and backward. Both outputs have
// a gradient.
func newSumMachine(s matrixSize, name string,
	add func(norm layers.Layer, x, branch *G.Node) (sum, y *G.Node, err error)) (*machine, error) {
	g := G.NewGraph()
	a, b := matrix(g, "a", random(5, s.rows*s.cols), s), matrix(g, "b", random(6, s.rows*s.cols), s)
	d, dy := matrix(g, "d", random(7, s.rows*s.cols), s), matrix(g, "dy", random(2, s.rows*s.cols), s)
	norm, err := newNorm(g, name, s.cols)
	if err != nil {
		return nil, err
	}
	sum, y, err := add(norm, a, b)
	if err != nil {
		return nil, err
	}
	_, err = G.Backpropagate(G.Nodes{sum, y}, G.Nodes{d, dy}, append(G.Nodes{a, b}, norm.Learnables()...))
	return &machine{G.NewTapeMachine(g)}, err
}

func residualThenNorm(norm layers.Layer, x, branch *G.Node) (sum, y *G.Node, err error) {
	residual, err := layers.NewResidual()
	if err != nil {
		return nil, nil, err
	}
	if sum, err = residual.Forward(x, branch); err != nil {
		return nil, nil, err
	}
	y, err = norm.Forward(sum)
	return sum, y, err
}
