package main

import (
	"fmt"
	"sync"
)

// besideCopy measures the kernels alone: the least that a norm can do is to read
// a tensor and write one.
func (b *bench) besideCopy() error {
	t := newTable("norm", "rows×cols", "threads", "copy, GB/s", "forward, GB/s", "copy/forward", "target", "backward, GB/s", "copy/backward", "target")
	for _, s := range []struct {
		matrixSize
		forward, backward float64 // targets
	}{
		{b.sizes.inCache, 0.6, 0.3},
		{b.sizes.outOfCache, 0.85, 0.55},
	} {
		o := newOperands(s.rows, s.cols)
		gigabytes := 4e-9 * float64(s.rows*s.cols)
		for _, k := range kernels {
			for _, n := range b.threads {
				m, err := b.compare(n, fmt.Sprintf("%s %v", k.name, s.matrixSize),
					plain(func() { copyInParts(o.y, o.x, n) }),
					plain(func() { k.forward(o) }),
					plain(func() { k.backward(o) }),
					plain(func() { copy(o.y, o.x) }))
				if err != nil {
					return err
				}
				copied := 0
				if m.median(3) < m.median(0) { // in parts it takes longer to start than to copy
					copied = 3
				}
				t.add(k.name, s.String(), fmt.Sprint(n), number(2*gigabytes/m.median(copied)),
					number(2*gigabytes/m.median(1)), number(m.ratio(copied, 1)), atLeast(s.forward, m.ratio(copied, 1)),
					number(3*gigabytes/m.median(2)), number(m.ratio(copied, 2)), atLeast(s.backward, m.ratio(copied, 2)))
			}
		}
	}
	return b.print("Norm kernels beside copying memory", `The time to copy x beside that of the training forward pass and of the whole backward pass. copy is Go's, whole or in as
many parts as there are threads, each in a goroutine of its own: whichever is faster. GB/s count what must be read and
written: x and y forward, x, dy and dx backward.`, t)
}

// copyInParts copies as many parts side by side.
func copyInParts(dst, src []float32, parts int) {
	if parts == 1 {
		copy(dst, src)
		return
	}
	var wg sync.WaitGroup
	for i := range parts {
		wg.Go(func() {
			from, to := i*len(src)/parts, (i+1)*len(src)/parts
			copy(dst[from:to], src[from:to])
		})
	}
	wg.Wait()
}

// besidePyTorch measures forward and backward together, as kernels and on a
// graph.
func (b *bench) besidePyTorch() error {
	t := newTable("norm", "rows×cols", "threads", "kernels", "graph", "PyTorch", "PyTorch/kernels", "PyTorch/graph", "target")
	for _, s := range b.sizes.norms {
		o := newOperands(s.rows, s.cols)
		for _, k := range kernels {
			if err := b.normBesidePyTorch(t, s, k, o); err != nil {
				return err
			}
		}
	}
	return b.print("Norms forward and backward beside PyTorch", `The kernels alone; the layer on a Gorgonia graph, by TapeMachine; and PyTorch eager, by autograd. PyTorch keeps the
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

// besideGorgonia measures forward and backward on a graph, with our layers and
// without.
func (b *bench) besideGorgonia() error {
	t := newTable("norm", "rows×cols", "threads", "ours", "Gorgonia's", "Gorgonia's/ours", "target")
	for _, k := range kernels {
		if err := b.normBesideGorgonia(t, b.sizes.gorgonia, k.name); err != nil {
			return err
		}
	}
	return b.print("Norms on a graph beside Gorgonia's operations", `Forward and backward by TapeMachine: our layer, and what Gorgonia alone offers: its BatchNorm, the other norms
composed of its operations.`, t)
}

func (b *bench) normBesideGorgonia(t *table, s matrixSize, name string) error {
	our, err := newMachine(s, ours(name))
	if err != nil {
		return err
	}
	defer our.close()
	their, err := newMachine(s, gorgonias(name))
	if err != nil {
		return err
	}
	defer their.close()
	for _, n := range b.threads {
		m, err := b.compare(n, name, timed(our.run), timed(their.run))
		if err != nil {
			return err
		}
		t.add(name, s.String(), fmt.Sprint(n), duration(m.median(0)), duration(m.median(1)), number(m.ratio(1, 0)), atLeast(100, m.ratio(1, 0)))
	}
	return nil
}
