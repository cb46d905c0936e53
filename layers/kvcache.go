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
// CausalSelfAttention that gets the sequence a few tokens at a time:
//
//	cache, err := layers.NewKVCache(1024)
//	y, err := attention.Cached(cache).Forward(qkv) // of the next tokens
//
// Several graphs of one attention layer may share a cache, such as one for single
// tokens and one for many at a time, but they must not run at the same time. Each
// attention layer needs a cache of its own. The first qkv that meets the cache sets its
// element type and its channels.
type KVCache struct {
	context, width int
	dtype          tensor.Dtype
	rows           any // qkv, a []float32 or []float64 of shape (context, width)
	tokens         int // number of rows in use
}

// maxContext bounds the logits of a block of 64 tokens, which attention computes
// together, to the largest size of a tensor.
const maxContext = extent.Max / 64

// NewKVCache returns an empty cache for at most context tokens.
func NewKVCache(context int) (*KVCache, error) {
	if context < 1 {
		return nil, fmt.Errorf("layers: KVCache: has room for %d tokens, want 1 or more", context)
	}
	if context > maxContext {
		return nil, fmt.Errorf("layers: KVCache: has room for %d tokens, want at most %d", context, maxContext)
	}
	return &KVCache{context: context}, nil
}

// Tokens returns the number of tokens in the cache.
func (c *KVCache) Tokens() int { return c.tokens }

// Truncate keeps at most the given number of tokens, the first ones, and removes the others.
// After Truncate(0) the next run begins a new sequence.
func (c *KVCache) Truncate(tokens int) { c.tokens = max(0, min(tokens, c.tokens)) }

// place allocates the memory for rows like those of qkv if there is none yet. It returns an
// error if the memory is for other rows.
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
		return fmt.Errorf("the cache has rows of %d elements of type %v, want %d of type %v as the input",
			c.width, c.dtype, width, dt)
	}
	return nil
}

// Cached returns the layer with a cache, for evaluation. It works on an input of shape
// (1, time, 3·channels) whose tokens follow those in the cache. Each run adds them to the
// cache, and they attend to themselves and to all tokens before them. The output equals, to
// the last bit, the last rows that the layer without a cache computes for the whole
// sequence.
//
// The layer has no gradient: asking for one is an error. A run whose tokens do not fit in
// the cache is an error and leaves the cache unchanged. If another part of the graph fails,
// Truncate removes the tokens that the run has added.
func (l *CausalSelfAttention) Cached(cache *KVCache) *CausalSelfAttention {
	c := *l
	c.cache = cache
	return &c
}

func (l *CausalSelfAttention) forwardCached(qkv *G.Node, h cpu.Heads) (*G.Node, error) {
	if h.B != 1 {
		return nil, l.errorf("input shape is %v, want (1, time, 3·channels): a cache holds one sequence", qkv.Shape())
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
		newCachedAttention[float32](h, l.cache), newCachedAttention[float64](h, l.cache), qkv)
}

// cachedAttention is the kernel of attention from the first token after the cache's. The
// cache keeps the queries with the keys and values, so that its rows are qkv as in training.
type cachedAttention[T op.Float] struct {
	attention cpu.CausalAttention[T]
	time      int // number of tokens in the input
	cache     *KVCache
}

func newCachedAttention[T op.Float](h cpu.Heads, cache *KVCache) *cachedAttention[T] {
	return &cachedAttention[T]{cpu.CausalAttention[T]{Heads: h}, h.T, cache}
}

func (k *cachedAttention[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	c, from, end := k.cache, k.cache.tokens, k.cache.tokens+k.time
	if end > c.context {
		return fmt.Errorf("the cache holds %d of at most %d tokens, which leaves no room for %d more",
			from, c.context, k.time)
	}
	rows := c.rows.([]T)[:end*c.width]
	copy(rows[from*c.width:], in[0].Data)
	k.attention.From, k.attention.T = from, end
	k.attention.Evaluate(out.Data, rows)
	c.tokens = end
	return nil
}
