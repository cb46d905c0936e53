package benchmark

import "fmt"

// norms compares the forward and backward passes of norms, as kernels and on a graph, with
// PyTorch.
func (b *bench) norms() error {
	t := newTable("norm", "rows×cols", "threads", "kernels", "graph", "no work", "PyTorch",
		"PyTorch/kernels", "PyTorch/graph", "target")
	for _, s := range b.sizes.norms {
		o := newOperands(s.rows, s.cols)
		for _, k := range kernels {
			if err := b.norm(t, s, k, o); err != nil {
				return err
			}
		}
	}
	return b.print("Norms forward and backward, and PyTorch",
		`The kernels alone, the layer on a Gorgonia graph with a TapeMachine, the same graph on 2×1 elements ("no work"), which
shows what running a graph costs, and PyTorch eager with autograd. PyTorch reuses its memory. Before version 2.4, which
has an RMSNorm, its RMSNorm is composed of operations.`, t)
}

func (b *bench) norm(t *table, s matrixSize, k kernel, o *operands) error {
	graph, err := newMachine(s, ours(k.name))
	if err != nil {
		return err
	}
	defer graph.close()
	empty, err := newMachine(matrixSize{2, 1}, ours(k.name))
	if err != nil {
		return err
	}
	defer empty.close()
	for _, n := range b.threads {
		m, err := b.compare(n, fmt.Sprintf("%s %v", k.name, s),
			plain(func() { k.forward(o); k.backward(o) }),
			timed(graph.run),
			timed(empty.run),
			b.peers.contestant(b.ctx, n, task{"task": "norm", "kind": k.name, "rows": s.rows, "cols": s.cols}))
		if err != nil {
			return err
		}
		t.add(k.name, s.String(), fmt.Sprint(n), duration(m.median(0)), duration(m.median(1)), duration(m.median(2)),
			duration(m.median(3)), number(m.ratio(3, 0)), number(m.ratio(3, 1)), atLeast(3, m.ratio(3, 0)))
	}
	return nil
}
