// Package transformer is a tiny GPT: a pre-norm decoder with learned positions,
// nanoGPT's in shape, initialisation and parameter names (Radford et al. 2019;
// github.com/karpathy/nanoGPT), whose norm is a matter of choice.
package transformer

import (
	"fmt"
	"hash/fnv"
	"math"
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
	finalNorm layers.Layer
	residual  *layers.Residual
	loss      *layers.CrossEntropy
}

// block is x + attn(norm(x)), then x + mlp(norm(x)).
type block struct {
	norm1       layers.Layer
	qkv         layers.Layer
	attention   layers.Layer
	attentionTo layers.Layer
	norm2       layers.Layer
	expand      layers.Layer
	gelu        layers.Layer
	contract    layers.Layer
}

// New builds a model for training on the graph. Weights are normal with standard
// deviation 0.02, those of projections back into the residual stream
// 0.02/√(2·layers). Each is drawn from a source of its own, seeded by the seed
// and the weight's name, so that models that differ only in their norm start from
// the same weights.
func New(g *G.ExprGraph, c Config) (*Model, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Dtype.Type == nil {
		c.Dtype = tensor.Float32
	}
	b := builder{g: g, Config: c}
	m := &Model{
		config: c,
		g:      g,
		wte:    b.embedding("transformer.wte", c.Vocab),
		wpe:    b.embedding("transformer.wpe", c.Context),
	}
	for i := range c.Layers {
		m.blocks = append(m.blocks, b.block(fmt.Sprintf("transformer.h.%d.", i)))
	}
	m.finalNorm = b.norm("transformer.ln_f")
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
	err error
}

func (b *builder) keep(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *builder) normal(name string, std float64) G.InitWFn {
	h := fnv.New64a()
	h.Write([]byte(name))
	return layers.Normal(rand.NewPCG(b.Seed, h.Sum64()), std)
}

func (b *builder) embedding(name string, rows int) *layers.Embedding {
	l, err := layers.NewEmbedding(b.g, rows, b.Channels, b.normal(name, 0.02), layers.WithName(name), layers.WithDtype(b.Dtype))
	b.keep(err)
	return l
}

func (b *builder) linear(name string, in, out int, std float64) layers.Layer {
	opts := biased(b.Bias, []layers.Option{layers.WithName(name), layers.WithDtype(b.Dtype)})
	l, err := layers.NewLinear(b.g, in, out, b.normal(name, std), opts...)
	b.keep(err)
	return l
}

func (b *builder) norm(name string) layers.Layer {
	l, err := b.Norm.New(b.g, b.Channels, b.Bias, layers.WithName(name), layers.WithDtype(b.Dtype))
	b.keep(err)
	return l
}

func (b *builder) block(prefix string) block {
	residual := 0.02 / math.Sqrt(2*float64(b.Layers))
	attention, err := layers.NewCausalSelfAttention(b.Heads, layers.WithName(prefix+"attn"))
	b.keep(err)
	gelu, err := layers.NewGELU(layers.WithName(prefix + "mlp.gelu"))
	b.keep(err)
	c := b.Channels
	return block{
		norm1:       b.norm(prefix + "ln_1"),
		qkv:         b.linear(prefix+"attn.c_attn", c, 3*c, 0.02),
		attention:   attention,
		attentionTo: b.linear(prefix+"attn.c_proj", c, c, residual),
		norm2:       b.norm(prefix + "ln_2"),
		expand:      b.linear(prefix+"mlp.c_fc", c, 4*c, 0.02),
		gelu:        gelu,
		contract:    b.linear(prefix+"mlp.c_proj", 4*c, c, residual),
	}
}

// On places the model on another graph, with the same weights and statistics.
func (m *Model) On(g *G.ExprGraph, mode layers.Mode) (*Model, error) {
	var err error
	place := func(l layers.Layer) layers.Layer {
		placed, e := l.On(g, mode)
		if err == nil {
			err = e
		}
		return placed
	}
	c := &Model{config: m.config, g: g, residual: m.residual, loss: m.loss}
	c.wte = place(m.wte).(*layers.Embedding)
	c.wpe = place(m.wpe).(*layers.Embedding)
	for _, b := range m.blocks {
		c.blocks = append(c.blocks, b.on(place))
	}
	c.finalNorm = place(m.finalNorm)
	if err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	return c, nil
}

func (b block) on(place func(layers.Layer) layers.Layer) block {
	return block{
		norm1:       place(b.norm1),
		qkv:         place(b.qkv),
		attention:   place(b.attention),
		attentionTo: place(b.attentionTo),
		norm2:       place(b.norm2),
		expand:      place(b.expand),
		gelu:        place(b.gelu),
		contract:    place(b.contract),
	}
}

// Learnables are the model's weights, in nanoGPT's order and by its names. The
// head shares transformer.wte.weight.
func (m *Model) Learnables() G.Nodes {
	n := append(m.wte.Learnables(), m.wpe.Learnables()...)
	for _, b := range m.blocks {
		for _, l := range []layers.Layer{b.norm1, b.qkv, b.attentionTo, b.norm2, b.expand, b.contract} {
			n = append(n, l.Learnables()...)
		}
	}
	return append(n, m.finalNorm.Learnables()...)
}

// Parameters counts the learnable numbers.
func (m *Model) Parameters() (n int) {
	for _, w := range m.Learnables() {
		n += w.Shape().TotalSize()
	}
	return n
}

// Logits gives the scores of each next token: ids of shape (B, T), of type
// tensor.Int, give (B, T, vocabulary). T may be any length up to the context.
func (m *Model) Logits(ids *G.Node) (*G.Node, error) {
	s := ids.Shape()
	if s.Dims() != 2 || s[1] > m.config.Context {
		return nil, fmt.Errorf("transformer: ids have shape %v, want (batch, time) with time up to the context of %d", s, m.config.Context)
	}
	c := chain{residual: m.residual}
	x := c.add(c.of(m.wte, ids), c.of(m.wpe, m.positions(s)))
	for _, b := range m.blocks {
		x = c.add(x, c.of(b.attentionTo, c.of(b.attention, c.of(b.qkv, c.of(b.norm1, x)))))
		x = c.add(x, c.of(b.contract, c.of(b.gelu, c.of(b.expand, c.of(b.norm2, x)))))
	}
	x = c.of(m.finalNorm, x)
	if c.err != nil {
		return nil, fmt.Errorf("transformer: %w", c.err)
	}
	logits, err := m.wte.Attend(x)
	if err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	return logits, nil
}

// Loss is the mean cross-entropy of the next tokens, in nats, a scalar; ids and
// targets have shape (B, T).
func (m *Model) Loss(ids, targets *G.Node) (*G.Node, error) {
	logits, err := m.Logits(ids)
	if err != nil {
		return nil, err
	}
	loss, err := m.loss.Forward(logits, targets)
	if err != nil {
		return nil, fmt.Errorf("transformer: %w", err)
	}
	return loss, nil
}

// positions is an input that holds 0…T−1 for each sequence.
func (m *Model) positions(s tensor.Shape) *G.Node {
	p := make([]int, s.TotalSize())
	for i := range p {
		p[i] = i % s[1]
	}
	v := tensor.New(tensor.WithShape(s...), tensor.WithBacking(p))
	return G.NewTensor(m.g, tensor.Int, 2, G.WithShape(s...), G.WithName("transformer.positions"), G.WithValue(v))
}

// chain applies layers until the first error.
type chain struct {
	residual *layers.Residual
	err      error
}

func (c *chain) of(l layers.Layer, x *G.Node) (y *G.Node) {
	if c.err == nil {
		y, c.err = l.Forward(x)
	}
	return y
}

func (c *chain) add(x, branch *G.Node) (y *G.Node) {
	if c.err == nil {
		y, c.err = c.residual.Forward(x, branch)
	}
	return y
}
