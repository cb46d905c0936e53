package layers

import (
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/extent"
	"gorgonorm/internal/op"
)

// CausalSelfAttention is multi-head scaled dot-product attention in which a
// token sees itself and those before it (Vaswani et al. 2017, arXiv 1706.03762).
// Its input of shape (batch, time, 3·channels) holds each token's query, key and
// value side by side, as nanoGPT's c_attn computes them; a head has size =
// channels/heads features of each. The output has shape (batch, time, channels).
//
//	P = softmax(Q·Kᵀ/√size + causal mask)    Y = P·V
//	dV = Pᵀ·dY    dS = P∘(dP − rowsum(P∘dP)), dP = dY·Vᵀ
//	dQ = dS·K/√size    dK = dSᵀ·Q/√size
//
// It keeps only P of the forward pass. It has no learnables and works on
// every graph. The projections around it are Linear layers.
type CausalSelfAttention struct {
	module
	heads int
	cache *KVCache // nil if there is none
}

// NewCausalSelfAttention returns attention with the given number of heads. It
// takes WithName.
func NewCausalSelfAttention(heads int, opts ...Option) (*CausalSelfAttention, error) {
	m, err := newStateless("CausalSelfAttention", opts)
	if err != nil {
		return nil, err
	}
	if heads < 1 {
		return nil, m.errorf("has %d heads, want 1 or more", heads)
	}
	return &CausalSelfAttention{module: m, heads: heads}, nil
}

// Forward returns attention over the time axis of qkv.
func (l *CausalSelfAttention) Forward(qkv *G.Node) (*G.Node, error) {
	if err := l.check(qkv); err != nil {
		return nil, err
	}
	s := qkv.Shape()
	if s.Dims() != 3 || s[2] == 0 || s[2]%3 != 0 || s[2]/3%l.heads != 0 {
		return nil, l.errorf("input shape is %v, want (batch, time, 3·channels) with channels a multiple of %d heads",
			s, l.heads)
	}
	h := cpu.Heads{B: s[0], T: s[1], C: s[2] / 3, Heads: l.heads}
	if l.cache != nil {
		return l.forwardCached(qkv, h)
	}
	if _, err := extent.Of("the attention matrix", tensor.Shape{h.B, h.Heads, h.T, h.T}); err != nil {
		return nil, l.errorf("%w", err)
	}
	return op.Apply(l.label(), replaceLast(s, h.C), &attention[float32]{Heads: h}, &attention[float64]{Heads: h}, qkv)
}

// Fwd is Forward in Gorgonia's composable form.
func (l *CausalSelfAttention) Fwd(qkv G.Input) G.Result { return fwd(l, qkv) }

// On returns the layer itself, which works on every graph.
func (l *CausalSelfAttention) On(*G.ExprGraph, Mode) (Layer, error) { return l, nil }

// attention is the kernel; in is qkv.
type attention[T op.Float] cpu.CausalAttention[T]

func (k *attention[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	(*cpu.CausalAttention[T])(k).Forward(out.Data, in[0].Data)
	return nil
}

func (k *attention[T]) Backward(din, in []op.Array[T], _, dout op.Array[T]) error {
	(*cpu.CausalAttention[T])(k).Backward(din[0].Data, in[0].Data, dout.Data)
	return nil
}
