package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/extent"
	"gorgonorm/internal/op"
)

// KVCache holds the keys and values of one sequence's tokens, for a
// CausalSelfAttention that is given the sequence a few tokens at a time:
//
//	cache, err := layers.NewKVCache(1024)
//	y, err := attention.Cached(cache).Forward(qkv) // of the next tokens
//
// Several graphs may share it, such as one for single tokens and one for many at a
// time, but no other attention layer. They must not run at the same time. It takes the
// element type and the channels of the first qkv that it is placed with.
type KVCache struct {
	context, width int
	dtype          tensor.Dtype
	rows           any // qkv, a []float32 or []float64 of shape (context, width)
	tokens         int // of the rows that are there
}

// maxContext keeps the logits of a block of 64 tokens, which attention computes together,
// within the size of a tensor.
const maxContext = extent.Max / 64

// NewKVCache makes an empty cache for at most context tokens.
func NewKVCache(context int) (*KVCache, error) {
	if context < 1 {
		return nil, fmt.Errorf("layers: KVCache: has room for %d tokens, want 1 or more", context)
	}
	if context > maxContext {
		return nil, fmt.Errorf("layers: KVCache: has room for %d tokens, want at most %d", context, maxContext)
	}
	return &KVCache{context: context}, nil
}

// Tokens is how many tokens the cache holds.
func (c *KVCache) Tokens() int { return c.tokens }

// Truncate forgets all tokens but the first ones: with 0 the next run begins a new
// sequence. A cache of fewer tokens stays as it is.
func (c *KVCache) Truncate(tokens int) { c.tokens = max(0, min(tokens, c.tokens)) }

// place makes the memory for rows like those of qkv, or finds that it has such.
func (c *KVCache) place(qkv *G.Node) error {
	dt, width := qkv.Dtype(), qkv.Shape()[2]
	if c.rows == nil {
		n, err := extent.Of("the cache", tensor.Shape{c.context, width})
		if err != nil {
			return err
		}
		c.dtype, c.width = dt, width
		if dt == tensor.Float32 {
			c.rows = make([]float32, n)
		} else {
			c.rows = make([]float64, n)
		}
	}
	if dt != c.dtype || width != c.width {
		return fmt.Errorf("the cache has rows of %d elements of type %v, want %d of type %v as the input", c.width, c.dtype, width, dt)
	}
	return nil
}

// Cached is the layer with a cache, for evaluation. It works on an input of shape (1,
// time, 3·channels) whose tokens follow those in the cache: each run adds them there,
// and they attend to themselves and to all tokens before them. The output is, to the
// last bit, what the layer without a cache gives for the whole sequence's last tokens.
//
// There is no gradient through it: to ask for one is an error. When the graph runs and
// the cache has no room for the tokens, that is an error, which leaves the cache as it
// was. Where another part of a graph fails, Truncate takes back what the run has added.
func (l *CausalSelfAttention) Cached(cache *KVCache) *CausalSelfAttention {
	c := *l
	c.cache = cache
	return &c
}

func (l *CausalSelfAttention) forwardCached(qkv *G.Node, h cpu.Heads) (*G.Node, error) {
	if h.B != 1 {
		return nil, l.errorf("input shape is %v, want (1, time, 3·channels): a cache is of one sequence", qkv.Shape())
	}
	if h.T > l.cache.context {
		return nil, l.errorf("time is %d, want at most the %d tokens of the cache", h.T, l.cache.context)
	}
	if dt := qkv.Dtype(); dt != tensor.Float32 && dt != tensor.Float64 {
		return nil, l.errorf("the input is of type %v, want float32 or float64", dt)
	}
	if err := l.cache.place(qkv); err != nil {
		return nil, l.errorf("%w", err)
	}
	return op.ApplyForward(l.label()+" with a cache", replaceLast(qkv.Shape(), h.C),
		&cachedAttention[float32]{h, l.cache}, &cachedAttention[float64]{h, l.cache}, qkv)
}

// cachedAttention is attention's kernel, begun behind the cache's tokens. (The cache
// keeps their queries with the keys and values, so that its rows are what the kernel
// works on in training.)
type cachedAttention[T op.Float] struct {
	heads cpu.Heads
	cache *KVCache
}

func (k *cachedAttention[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	c, h := k.cache, k.heads
	h.From, h.T = c.tokens, c.tokens+k.heads.T
	if h.T > c.context {
		return fmt.Errorf("the cache holds %d of at most %d tokens, which leaves no room for %d more", c.tokens, c.context, k.heads.T)
	}
	rows := c.rows.([]T)[:h.T*c.width]
	copy(rows[h.From*c.width:], in[0].Data)
	cpu.CausalAttention(out.Data, nil, rows, h)
	c.tokens = h.T
	return nil
}
