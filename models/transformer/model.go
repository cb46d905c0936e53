// Package transformer is a tiny GPT: a decoder with learned positions, nanoGPT's in
// shape, initialisation and parameter names (Radford et al. 2019;
// github.com/karpathy/nanoGPT), whose norms, and where they stand, are a matter of
// choice.
package transformer

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
)

// Model is a transformer on a graph. Shapes are B sequences of T tokens with C
// channels.
type Model struct {
	config    Config
	g         *G.ExprGraph
	wte, wpe  *layers.Embedding
	blocks    []block
	finalNorm layers.Stack // before the head; none where the last block ends in a norm
	residual  *layers.Residual
	loss      *layers.CrossEntropy
}

// New builds a model for training on the graph. Weights are normal with standard
// deviation 0.02, those of projections back into the residual stream
// 0.02/√(2·layers). Each is drawn from a source of its own, seeded by the seed
// and the weight's name, so that models that differ only in their norms start from
// the same weights.
func New(g *G.ExprGraph, c Config) (*Model, error) { return build(g, c, normal) }

func build(g *G.ExprGraph, c Config, init initialisation) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Dtype.Type == nil {
		c.Dtype = tensor.Float32
	}
	c.Placement = cmp.Or(c.Placement, Pre)
	c.GELU = cmp.Or(c.GELU, Tanh)
	b := builder{g: g, Config: c, init: init}
	m := &Model{
		config: c,
		g:      g,
		wte:    b.embedding("transformer.wte", c.Vocab),
		wpe:    b.embedding("transformer.wpe", c.Context),
	}
	for i := range c.Layers {
		m.blocks = append(m.blocks, b.block(fmt.Sprintf("transformer.h.%d.", i)))
	}
	if c.Placement != Post {
		m.finalNorm = layers.Stack{b.norm("transformer.ln_f")}
	}
	var err error
	m.residual, err = layers.NewResidual()
	b.keep(err)
	m.loss, err = layers.NewCrossEntropy()
	b.keep(err)
	if b.err != nil {
		return nil, fmt.Errorf("transformer: %w", b.err)
	}
	return m, nil
}

// builder makes a model's layers and keeps the first error.
type builder struct {
	g *G.ExprGraph
	Config
	init initialisation
	err  error
}

func (b *builder) keep(err error) {
	if b.err == nil {
		b.err = err
	}
}

// initialisation makes a weight's first values, by its name and deviation.
type initialisation func(seed uint64, name string, std float64) G.InitWFn

func normal(seed uint64, name string, std float64) G.InitWFn {
	h := fnv.New64a()
	h.Write([]byte(name))
	return layers.Normal(rand.NewPCG(seed, h.Sum64()), std)
}

// blank is for weights that are to be read from a file.
func blank(uint64, string, float64) G.InitWFn { return G.Zeroes() }

func (b *builder) embedding(name string, rows int) *layers.Embedding {
	l, err := layers.NewEmbedding(b.g, rows, b.Channels, b.init(b.Seed, name, 0.02), layers.WithName(name), layers.WithDtype(b.Dtype))
	b.keep(err)
	return l
}

func (b *builder) linear(name string, in, out int, std float64) layers.Layer {
	opts := options(name, b.Bias, []layers.Option{layers.WithDtype(b.Dtype)})
	l, err := layers.NewLinear(b.g, in, out, b.init(b.Seed, name, std), opts...)
	b.keep(err)
	return l
}

// On places the model on a graph, with the same weights and statistics. On its own graph
// the placements share the nodes of the weights.
func (m *Model) On(g *G.ExprGraph, mode layers.Mode) (*Model, error) {
	var err error
	place := func(l layers.Layer) layers.Layer {
		placed, e := l.On(g, mode)
		if e != nil {
			err = cmp.Or(err, e)
			return l
		}
		return placed
	}
	c := &Model{config: m.config, g: g, residual: m.residual, loss: m.loss}
	c.wte = place(m.wte).(*layers.Embedding)
	c.wpe = place(m.wpe).(*layers.Embedding)
	for _, b := range m.blocks {
		c.blocks = append(c.blocks, b.on(place))
	}
	c.finalNorm = onEach(m.finalNorm, place)
	if err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	return c, nil
}

// Config is what the model was built as, its defaults filled in.
func (m *Model) Config() Config { return m.config }

// Learnables are the model's weights, in nanoGPT's order and by its names. The
// head shares transformer.wte.weight.
func (m *Model) Learnables() G.Nodes { return m.stateful().Learnables() }

// Parameters counts the learnable numbers.
func (m *Model) Parameters() (n int) {
	for _, w := range m.Learnables() {
		n += w.Shape().TotalSize()
	}
	return n
}
