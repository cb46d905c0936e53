package main

import "fmt"

// matrixProducts measures square products and those of the transformer's layers.
func (b *bench) matrixProducts() error {
	t := newTable("m×k×n", "threads", "GFLOP/s", "gonum", "PyTorch", "ours/gonum", "ours/PyTorch")
	var ps []*product
	for _, n := range b.sizes.squares {
		ps = append(ps, newProduct(n, n, n, false, false))
	}
	model := b.sizes.model
	for _, p := range append(ps, ofBlock(model.Batch*model.Context, model.Channels)...) {
		for _, n := range b.threads {
			m, err := b.compare(n, p.String(), plain(p.multiply), plain(p.gonum), b.peers.contestant(b.ctx, n, p.task()))
			if err != nil {
				return err
			}
			gigaflops := func(i int) string { return number(p.flops() / m.median(i) / 1e9) }
			t.add(p.String(), fmt.Sprint(n), gigaflops(0), gigaflops(1), gigaflops(2), number(m.ratio(1, 0)), number(m.ratio(2, 0)))
		}
	}
	return b.print("Matrix products", `Square ones, then those of the transformer's linear layers: forward X·Wᵀ (NT), backward dY·W (NN) and dYᵀ·X (TN).`, t)
}
