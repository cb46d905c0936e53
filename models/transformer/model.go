// Package transformer is a tiny GPT: a decoder with learned positions whose norms, and their
// placement, are configurable. Its architecture, initialisation and parameter names are nanoGPT's
// (Radford et al. 2019; github.com/karpathy/nanoGPT).
package transformer

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
)

// Model is a transformer on a graph. In shapes, B is the number of sequences, T the number of
// tokens of each, and C the number of channels.
type Model struct {
	config    Config
	g         *G.ExprGraph
	wte, wpe  *layers.Embedding
	blocks    []block
	finalNorm layers.Stack // before the head; empty for Post, whose last block ends in a norm, and Open
	residual  *layers.Residual
	loss      *layers.CrossEntropy
	noise     *NormNoise // nil without noise
}

// New builds a model for training on the graph. Weights are drawn from a normal distribution with
// the standard deviation 0.02, or 0.02/√(2·layers) for projections back into the residual stream.
// Each weight has its own random source, seeded with the seed and the weight's name, so models
// that differ only in their norms start from the same weights.
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
		m.blocks = append(m.blocks, b.block(i))
	}
	if c.Placement != Post && c.Placement != Open {
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

// builder builds a model's layers and keeps the first error.
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

// initialisation returns the initial values of a weight with this name and standard deviation.
type initialisation func(seed uint64, name string, std float64) G.InitWFn

func normal(seed uint64, name string, std float64) G.InitWFn {
	h := fnv.New64a()
	h.Write([]byte(name))
	return layers.Normal(rand.NewPCG(seed, h.Sum64()), std)
}

// blank is the initialisation of weights that are then read from a file.
func blank(uint64, string, float64) G.InitWFn { return G.Zeroes() }

func (b *builder) embedding(name string, rows int) *layers.Embedding {
	init := b.init(b.Seed, name, 0.02)
	l, err := layers.NewEmbedding(b.g, rows, b.Channels, init, layers.WithName(name), layers.WithDtype(b.Dtype))
	b.keep(err)
	return l
}

func (b *builder) linear(name string, in, out int, std float64) layers.Layer {
	opts := options(name, b.Bias, []layers.Option{layers.WithDtype(b.Dtype)})
	l, err := layers.NewLinear(b.g, in, out, b.init(b.Seed, name, std), opts...)
	b.keep(err)
	return l
}

// check returns an error for a model that no function of this package has made.
func (m *Model) check() error {
	if m == nil || m.wte == nil {
		return errors.New("transformer: the model is nil or a zero value, want one from New or Load")
	}
	return nil
}

// On returns a placement of the model on a graph, which shares the model's weights and statistics.
// Placements on the model's own graph also share the nodes of the weights.
func (m *Model) On(g *G.ExprGraph, mode layers.Mode) (*Model, error) {
	if err := m.check(); err != nil {
		return nil, err
	}
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

// Config returns the model's configuration, with its defaults filled in.
func (m *Model) Config() Config { return m.config }

// Learnables returns the model's weights, with nanoGPT's names and in its order. The head shares
// transformer.wte.weight.
func (m *Model) Learnables() G.Nodes { return m.stateful().Learnables() }

// Parameters returns the number of learnable numbers.
func (m *Model) Parameters() (n int) {
	for _, w := range m.Learnables() {
		n += w.Shape().TotalSize()
	}
	return n
}
