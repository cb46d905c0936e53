package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"runtime"

	"gorgonorm/train"
)

// trainer is a training run that stands still between steps.
type trainer struct {
	next func() (error, bool)
	stop func()
}

func newTrainer(c train.Config, vocabulary int) (*trainer, error) {
	t := &trainer{}
	t.next, t.stop = iter.Pull(func(yield func(error) bool) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		_, _, err := train.Train(ctx, c, noise(c, vocabulary), func(train.Step) {
			if !yield(nil) {
				cancel()
			}
		})
		if err != nil {
			yield(err)
		}
	})
	return t, t.step() // the first one builds the model
}

func (t *trainer) step() error {
	err, ok := t.next()
	if !ok {
		return errors.New("training ended early")
	}
	return err
}

// noise is a text without meaning, for a step takes as long whatever it learns.
func noise(c train.Config, vocabulary int) *train.Corpus {
	rng := rand.New(rand.NewPCG(3, 4))
	text := &train.Corpus{Train: make([]int32, 100*c.Context), Val: make([]int32, 2*c.Context)}
	for id := range vocabulary {
		text.Vocabulary = append(text.Vocabulary, rune('!'+id))
	}
	for _, part := range [][]int32{text.Train, text.Val} {
		for i := range part {
			part[i] = int32(rng.IntN(vocabulary))
		}
	}
	return text
}

// allocated counts the bytes that a step takes from the heap.
func (t *trainer) allocated() (float64, error) {
	const steps = 5
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range steps {
		if err := t.step(); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / steps, nil
}

// trainingStep measures whole steps: forward, backward, clipping and AdamW.
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
	peer := task{"task": "step", "vocab": vocabulary, "context": c.Context, "layers": c.Layers, "heads": c.Heads, "channels": c.Channels,
		"batch": c.Batch, "lr": c.LR, "betas": []float64{c.Beta1, c.Beta2}, "decay": c.WeightDecay, "clip": c.Clip}
	var cs []contestant // kinds of them for each number of threads
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
	about := fmt.Sprintf(`Forward, backward, clipping and AdamW of nanoGPT's model: %s, %s, %d channels, context %d, batch %d,
vocabulary %d. Its matrix products are %s GFLOP. The limit is the time that those take at the speed of the linear
layers' products, measured by themselves in the same rounds.`, plural(c.Layers, "layer"), plural(c.Heads, "head"), c.Channels, c.Context, c.Batch, vocabulary, number(flops/1e9))
	if !math.IsNaN(m.median(best)) {
		row("PyTorch's step", missing, func(i int) string { return duration(m.median(i + pytorch)) })
		row("PyTorch's best/ours", "≥ 2.5", func(i int) string { return number(m.ratio(best, i)) })
		about += fmt.Sprintf("\nPyTorch eager is fastest on %s.", plural(b.threads[best/kinds], "thread"))
	}
	return b.print("A training step", about, tab)
}
