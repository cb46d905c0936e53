package benchmark

import (
	"fmt"
	"math"
	"runtime"

	"gorgonorm/train"
)

// trainingStep compares whole steps: forward, backward, clipping and AdamW.
func (b *bench) trainingStep() error {
	c, vocabulary := b.sizes.model, b.sizes.vocabulary
	b.progress.show("building the model")
	t, err := newTrainer(c, vocabulary)
	if err != nil {
		return err
	}
	defer t.stop()
	products := ofStep(c, vocabulary)
	multiply := plain(func() {
		for _, p := range products {
			p.multiply()
		}
	})
	peer := task{"task": "step", "vocab": vocabulary, "context": c.Context,
		"layers": c.Layers, "heads": c.Heads, "channels": c.Channels, "batch": c.Batch,
		"lr": c.LR, "betas": []float64{c.Beta1, c.Beta2}, "decay": c.WeightDecay, "clip": c.Clip}
	var cs []contestant // for each number of threads: the step, its products, PyTorch's step
	const kinds, pytorch = 3, 2
	for _, n := range b.threads {
		cs = append(cs, timed(t.step).on(n), multiply.on(n), b.peers.contestant(b.ctx, n, peer))
	}
	m, err := b.compare(0, "training steps", cs...)
	if err != nil {
		return err
	}
	best := pytorch // at its best number of threads
	for i := pytorch; i < len(cs); i += kinds {
		if m.median(i) < m.median(best) || math.IsNaN(m.median(best)) {
			best = i
		}
	}

	bytes := make(map[int]float64) // by the index of the step
	head := []string{""}
	for i, n := range b.threads {
		runtime.GOMAXPROCS(n)
		if bytes[kinds*i], err = t.allocated(); err != nil {
			return err
		}
		head = append(head, plural(n, "thread"))
	}
	tab := newTable(append(head, "target")...)
	row := func(name, target string, cell func(i int) string) {
		cells := []string{name}
		for i := range b.threads {
			cells = append(cells, cell(kinds*i))
		}
		tab.add(append(cells, target)...)
	}
	flops, linear := stepFLOPs(c, vocabulary), flopsOf(products)
	row("step", missing, func(i int) string { return duration(m.median(i)) })
	row("tokens/s", missing, func(i int) string { return number(tokens(c) / m.median(i)) })
	row("allocated, kB", missing, func(i int) string { return number(bytes[i] / 1e3) })
	row("products alone, GFLOP/s", missing, func(i int) string { return number(linear / m.median(i+1) / 1e9) })
	row("limit", missing, func(i int) string { return duration(m.median(i+1) * flops / linear) })
	row("limit/step", "≥ 0.6", func(i int) string { return number(m.ratio(i+1, i) * flops / linear) })
	about := fmt.Sprintf(`Forward, backward, clipping and AdamW of nanoGPT's model: %s, %s, %d channels, context %d,
batch %d, vocabulary %d. Its matrix products are %s GFLOP. The limit is the time that they take at the speed of the
linear layers' products, which the same rounds measure alone.`,
		plural(c.Layers, "layer"), plural(c.Heads, "head"), c.Channels, c.Context, c.Batch, vocabulary, number(flops/1e9))
	if !math.IsNaN(m.median(best)) {
		row("PyTorch's step", missing, func(i int) string { return duration(m.median(i + pytorch)) })
		row("PyTorch's best/ours", "≥ 2.5", func(i int) string { return number(m.ratio(best, i)) })
		about += fmt.Sprintf("\nPyTorch eager is fastest on %s.", plural(b.threads[best/kinds], "thread"))
	}
	return b.print("A training step", about, tab)
}

// ofStep returns the products of a training step's linear layers and of the head, each as
// often as it occurs.
func ofStep(c train.Config, vocabulary int) (ps []*product) {
	rows := c.Batch * c.Context
	block := ofBlock(rows, c.Channels)
	for range c.Layers {
		ps = append(ps, block...)
	}
	return append(ps, ofLinear(rows, c.Channels, vocabulary)...)
}

// flopsOf returns the number of operations of products.
func flopsOf(ps []*product) (sum float64) {
	for _, p := range ps {
		sum += p.flops()
	}
	return sum
}

// attentionFLOPs returns the number of operations of attention's matrix products in a
// training step, two forward and four backward, over the pairs of a token and a token that
// it attends to.
func attentionFLOPs(c train.Config) float64 {
	pairs := c.Batch * c.Context * (c.Context + 1) / 2
	return 6 * 2 * float64(pairs) * float64(c.Channels) * float64(c.Layers)
}

// stepFLOPs returns the number of operations of all matrix products of a training step.
// Those of linear layers are two per weight and token forward, and four backward.
func stepFLOPs(c train.Config, vocabulary int) float64 {
	weights := 12*c.Channels*c.Channels*c.Layers + vocabulary*c.Channels
	return 6*float64(weights)*float64(c.Batch*c.Context) + attentionFLOPs(c)
}
