package benchmark

import (
	"fmt"

	"gorgonorm/train"
)

// growth measures the cost of a unit of work as sizes grow, on the largest number of
// threads.
func (b *bench) growth() error {
	if err := b.growingNorms(); err != nil {
		return err
	}
	return b.growingSteps()
}

func (b *bench) growingNorms() error {
	t := b.growthTable("norm", "grows", "from")
	for _, k := range kernels {
		for _, axis := range []struct {
			name string
			size func(factor int) matrixSize
		}{
			{"rows", func(f int) matrixSize { return matrixSize{b.sizes.growing.rows * f, b.sizes.growing.cols} }},
			{"cols", func(f int) matrixSize { return matrixSize{b.sizes.growing.rows, b.sizes.growing.cols * f} }},
		} {
			var costs []float64
			for _, f := range b.sizes.factors {
				s := axis.size(f)
				o := newOperands(s.rows, s.cols)
				m, err := b.compare(b.maxThreads(), fmt.Sprintf("%s %v", k.name, s),
					plain(func() { k.forward(o); k.backward(o) }))
				if err != nil {
					return err
				}
				costs = append(costs, m.median(0)*1e9/float64(s.rows*s.cols))
			}
			t.addGrowth(costs, k.name, axis.name, b.sizes.growing.String())
		}
	}
	return b.print("The cost of an element as a norm grows",
		fmt.Sprintf(`Nanoseconds per element, forward and backward, on %s. Every line should be flat, except for one step
up where the tensors outgrow the caches.`, plural(b.maxThreads(), "thread")), t.table)
}

func (b *bench) growingSteps() error {
	t := b.growthTable("grows", "from", "unit")
	small := b.sizes.growingModel
	for _, axis := range []struct {
		name, unit string
		from       int
		grow       func(c *train.Config, factor int)
		per        func(c train.Config) float64 // units in a step
	}{
		{"batch", "µs per token", small.Batch, func(c *train.Config, f int) { c.Batch *= f }, tokens},
		{"layers", "µs per token and layer", small.Layers, func(c *train.Config, f int) { c.Layers *= f },
			func(c train.Config) float64 { return tokens(c) * float64(c.Layers) }},
		{"channels", "µs per MFLOP", small.Channels, func(c *train.Config, f int) { c.Channels *= f },
			func(c train.Config) float64 { return stepFLOPs(c, b.sizes.vocabulary) / 1e6 }},
	} {
		var costs []float64
		for _, f := range b.sizes.factors {
			c := small
			axis.grow(&c, f)
			cost, err := b.stepTime(fmt.Sprintf("%d %s", axis.from*f, axis.name), c)
			if err != nil {
				return err
			}
			costs = append(costs, cost*1e6/axis.per(c))
		}
		t.addGrowth(costs, axis.name, fmt.Sprint(axis.from), axis.unit)
	}
	return b.print("The cost of a token as the model grows",
		fmt.Sprintf(`A training step on %s, from %s, %d channels, context %d and batch %d. Every line should be flat or fall.
MFLOP are those of the matrix products.`,
			plural(b.maxThreads(), "thread"), plural(small.Layers, "layer"),
			small.Channels, small.Context, small.Batch), t.table)
}

func tokens(c train.Config) float64 { return float64(c.Batch * c.Context) }

// stepTime returns the time of a training step in seconds.
func (b *bench) stepTime(what string, c train.Config) (float64, error) {
	b.progress.show(what)
	t, err := newTrainer(c, b.sizes.vocabulary)
	if err != nil {
		return 0, err
	}
	defer t.stop()
	m, err := b.compare(b.maxThreads(), what, timed(t.step))
	if err != nil {
		return 0, err
	}
	return m.median(0), nil
}

// growthTable has a column for each factor, and one for the ratio of the last cost to the
// first.
type growthTable struct{ *table }

func (b *bench) growthTable(head ...string) growthTable {
	for _, f := range b.sizes.factors {
		head = append(head, fmt.Sprintf("%d×", f))
	}
	return growthTable{newTable(append(head, "last/first")...)}
}

func (t growthTable) addGrowth(costs []float64, cells ...string) {
	for _, c := range costs {
		cells = append(cells, number(c))
	}
	t.add(append(cells, number(costs[len(costs)-1]/costs[0]))...)
}
