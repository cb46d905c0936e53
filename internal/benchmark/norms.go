package benchmark

import "fmt"

// besidePyTorch measures a norm's forward and backward pass together, as kernels
// and on a graph.
func (b *bench) besidePyTorch() error {
	t := newTable("norm", "rows×cols", "threads", "kernels", "graph", "PyTorch",
		"PyTorch/kernels", "PyTorch/graph", "target")
	for _, s := range b.sizes.norms {
		o := newOperands(s.rows, s.cols)
		for _, k := range kernels {
			if err := b.normBesidePyTorch(t, s, k, o); err != nil {
				return err
			}
		}
	}
	return b.print("Norms forward and backward beside PyTorch",
		`The kernels alone; the layer on a Gorgonia graph, by TapeMachine; and PyTorch eager, by autograd. PyTorch keeps the
memory that it has once had, and its RMSNorm is composed where it has none of its own (before 2.4).`, t)
}

func (b *bench) normBesidePyTorch(t *table, s matrixSize, k kernel, o *operands) error {
	graph, err := newMachine(s, ours(k.name))
	if err != nil {
		return err
	}
	defer graph.close()
	for _, n := range b.threads {
		m, err := b.compare(n, fmt.Sprintf("%s %v", k.name, s),
			plain(func() { k.forward(o); k.backward(o) }),
			timed(graph.run),
			b.peers.contestant(b.ctx, n, task{"task": "norm", "kind": k.name, "rows": s.rows, "cols": s.cols}))
		if err != nil {
			return err
		}
		t.add(k.name, s.String(), fmt.Sprint(n), duration(m.median(0)), duration(m.median(1)), duration(m.median(2)),
			number(m.ratio(2, 0)), number(m.ratio(2, 1)), atLeast(3, m.ratio(2, 0)))
	}
	return nil
}
