package transformer

import (
	"fmt"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/op"
	"gorgonorm/layers"
)

// Placement is the position of a block's norms relative to its branches f, attention and the MLP.
type Placement string

const (
	// Pre is x + f(norm(x)), and a norm before the head (Xiong et al. 2020, arXiv
	// 2002.04745; GPT-2).
	Pre Placement = "pre"
	// Post is norm(x + f(x)) (Vaswani et al. 2017, arXiv 1706.03762).
	Post Placement = "post"
	// Peri is x + norm(f(norm(x))), and a norm before the head (Kim et al. 2025,
	// arXiv 2502.02732, without the norm of the embedding that they leave open).
	Peri Placement = "peri"
	// Scaled is x + f(norm(x)/√l) in block l, counted from 1, and a norm before the head (Sun et
	// al. 2025, arXiv 2502.05795: LayerNorm Scaling).
	Scaled Placement = "scaled"
	// Open is Pre without the norm before the head.
	Open Placement = "open"
)

// Placements lists all placements.
var Placements = []Placement{Pre, Post, Peri, Scaled, Open}

// block is attention and the MLP, each in a residual connection.
type block struct {
	depth       int // from 1
	norm1       layers.Stack
	qkv         layers.Layer
	qkNorm      layers.Stack // empty without Config.QKNorm
	attention   layers.Layer
	attentionTo layers.Layer
	norm2       layers.Stack
	expand      layers.Layer
	gelu        layers.Layer
	contract    layers.Layer
}

func (b *builder) block(i int) block {
	prefix := fmt.Sprintf("transformer.h.%d.", i)
	residual := 0.02 / math.Sqrt(2*float64(b.Layers))
	attention, err := layers.NewCausalSelfAttention(b.Heads, layers.WithName(prefix+"attn"))
	b.keep(err)
	c := b.Channels
	return block{
		depth:       i + 1,
		norm1:       b.norms(prefix + "ln_1"),
		qkv:         b.linear(prefix+"attn.c_attn", c, 3*c, 0.02),
		qkNorm:      b.qkNorm(prefix + "attn."),
		attention:   attention,
		attentionTo: b.linear(prefix+"attn.c_proj", c, c, residual),
		norm2:       b.norms(prefix + "ln_2"),
		expand:      b.linear(prefix+"mlp.c_fc", c, 4*c, 0.02),
		gelu:        b.gelu(prefix + "mlp.gelu"),
		contract:    b.linear(prefix+"mlp.c_proj", 4*c, c, residual),
	}
}

// norms returns the norms of one residual connection.
func (b *builder) norms(name string) layers.Stack {
	if b.Placement == Peri {
		return layers.Stack{b.norm(name), b.norm(name + "_post")}
	}
	return layers.Stack{b.norm(name)}
}

func (b *builder) norm(name string) layers.Layer {
	opts := []layers.Option{layers.WithDtype(b.Dtype)}
	if b.Norm.pointwise && b.Placement != Post {
		// The usual 0.5 assumes a stream with a standard deviation of 1, but embeddings start
		// at 0.02. (Zhu et al. 2025 scale the embeddings up instead.) With post-norm the
		// preceding norm sets the size of the stream.
		opts = append(opts, layers.WithAlpha(0.5/0.02))
	}
	l, err := b.Norm.New(b.g, name, b.Channels, b.Bias, opts...)
	b.keep(err)
	if op.IsNil(l) {
		b.keep(fmt.Errorf("the function New of the norm %q has returned no layer", b.Norm.Name))
	}
	return l
}

func (b *builder) qkNorm(prefix string) layers.Stack {
	if !b.QKNorm {
		return nil
	}
	query, err := b.Norm.NewQK(b.g, prefix+"q_norm", b.Channels/b.Heads, b.Bias, layers.WithDtype(b.Dtype))
	b.keep(err)
	key, err := b.Norm.NewQK(b.g, prefix+"k_norm", b.Channels/b.Heads, b.Bias, layers.WithDtype(b.Dtype))
	b.keep(err)
	if b.err != nil {
		return nil
	}
	l, err := layers.NewQKNorm(b.Heads, query, key, layers.WithName(prefix+"qk_norm"))
	b.keep(err)
	return layers.Stack{l}
}

func (b *builder) gelu(name string) layers.Layer {
	opts := []layers.Option{layers.WithName(name)}
	if b.GELU == Exact {
		opts = append(opts, layers.WithExact())
	}
	l, err := layers.NewGELU(opts...)
	b.keep(err)
	return l
}

func (b block) on(place func(layers.Layer) layers.Layer) block {
	return block{
		depth:       b.depth,
		norm1:       onEach(b.norm1, place),
		qkv:         place(b.qkv),
		qkNorm:      onEach(b.qkNorm, place),
		attention:   place(b.attention),
		attentionTo: place(b.attentionTo),
		norm2:       onEach(b.norm2, place),
		expand:      place(b.expand),
		gelu:        place(b.gelu),
		contract:    place(b.contract),
	}
}

func onEach(s layers.Stack, place func(layers.Layer) layers.Layer) (placed layers.Stack) {
	for _, l := range s {
		placed = append(placed, place(l))
	}
	return placed
}

// stateful returns the block's layers that have a state, in nanoGPT's order. It lists QKNorm's
// norms instead of QKNorm, because they are what the model names.
func (b block) stateful() layers.Stack {
	attention, mlp := layers.Stack{b.qkv}, layers.Stack{b.expand, b.contract}
	for _, l := range b.qkNorm {
		attention = append(attention, l.(*layers.QKNorm).Norms()...)
	}
	attention = append(attention, b.attentionTo)
	return slices.Concat(b.norm1, attention, b.norm2, mlp)
}

// attend applies the attention branch.
func (b block) attend(f *forward, x *G.Node) *G.Node {
	qkv := f.apply(b.qkv, x)
	for _, l := range b.qkNorm {
		qkv = f.normalize(l, qkv)
	}
	f.QKV = append(f.QKV, qkv)
	return f.apply(b.attentionTo, f.apply(b.attention, qkv))
}

// mlp applies the MLP branch.
func (b block) mlp(f *forward, x *G.Node) *G.Node {
	return f.apply(b.contract, f.apply(b.gelu, f.apply(b.expand, x)))
}
