package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
)

// Heads describes the operands of causal self-attention: B sequences of T
// tokens, each token's query, key and value of C = heads·size features side by
// side in one row of 3C. The tokens before From are there to be seen and do not
// look themselves: the rows of the result, and of the probabilities, are those of
// the tokens from there on.
type Heads struct {
	B, T, C, Heads, From int
}

func (h Heads) size() int { return h.C / h.Heads }

// Probs is the number of attention probabilities: B·heads·(T−From)·T.
func (h Heads) Probs() int { return h.B * h.Heads * (h.T - h.From) * h.T }

// scale is 1/√size, so that the logits' variance does not grow with the size.
func (h Heads) scale() float64 { return 1 / math.Sqrt(float64(h.size())) }

// causalBlock is the height of the blocks of rows in which attention is
// computed, each with the columns up to its own end only: what lies above the
// diagonal is hardly ever touched.
const causalBlock = 64

// attention is a pass under way, a sequence and head a chunk.
type attention[T Float] struct {
	Heads
	y, probs, qkv, dqkv, dy []T
	largest                 []T // logits, one a chunk
}

type (
	attentionForward[T Float]  attention[T]
	attentionBackward[T Float] attention[T]
)

// CausalAttention is multi-head scaled dot-product attention (Vaswani et al.
// 2017) in which a token sees itself and those before it:
//
//	P = softmax(Q·Kᵀ/√size + causal mask)    Y = P·V
//
// probs keeps P, zero above the diagonal, unless it is nil. A token's result does not
// depend on From, to the last bit: its logits and its softmax are computed for
// itself, and Gemm adds up each element in the order of the tokens, where the zeros of
// those that it does not see change nothing.
func CausalAttention[T Float](y, probs, qkv []T, h Heads) {
	a := borrow[attention[T]]()
	defer giveBack(a)
	a.Heads, a.y, a.probs, a.qkv = h, y, probs, qkv
	parallel((*attentionForward[T])(a), h.B*h.Heads)
	a.y, a.probs, a.qkv = nil, nil, nil
}

// CausalAttentionBackward gives the gradient of CausalAttention from token 0 on:
//
//	dV = Pᵀ·dY    dP = dY·Vᵀ    dS = P∘(dP − Σ_j P∘dP)
//	dQ = dS·K/√size    dK = dSᵀ·Q/√size
func CausalAttentionBackward[T Float](dqkv, qkv, probs, dy []T, h Heads) {
	a := borrow[attention[T]]()
	defer giveBack(a)
	a.Heads, a.dqkv, a.qkv, a.probs, a.dy = h, dqkv, qkv, probs, dy
	parallel((*attentionBackward[T])(a), h.B*h.Heads)
	a.dqkv, a.qkv, a.probs, a.dy = nil, nil, nil, nil
}

// head is where one sequence's head stands in the operands: the offsets of its
// query, key and value in qkv, of its output in y, and of its probabilities.
type head struct{ q, k, v, y, p int }

func (h Heads) head(chunk int) head {
	b, i := chunk/h.Heads, chunk%h.Heads*h.size()
	q, rows := b*h.T*3*h.C+i, h.T-h.From
	return head{q: q, k: q + h.C, v: q + 2*h.C, y: b*rows*h.C + i, p: chunk * rows * h.T}
}

func (a *attentionForward[T]) run(chunk int) {
	at, t, size, ld := a.head(chunk), a.T, a.size(), 3*a.C
	q, k, v, y := a.qkv[at.q:], a.qkv[at.k:], a.qkv[at.v:], a.y[at.y:]
	kernels := simd.Of[T]()
	var block []T
	if a.probs == nil {
		scratch := borrow[[]T]()
		defer giveBack(scratch)
		*scratch = Grow(*scratch, causalBlock*ceilDiv(t, causalBlock)*causalBlock) // in steps, for a T that grows
		block = *scratch
	}
	for top := a.From; top < t; top += causalBlock {
		end := min(top+causalBlock, t)
		p := block
		if a.probs != nil {
			p = a.probs[at.p+(top-a.From)*t:]
		}
		Gemm(false, true, end-top, end, size, T(a.scale()), q[top*ld:], ld, k, ld, 0, p, t)
		for r := top; r < end; r++ {
			row := p[(r-top)*t:][:t]
			kernels.Softmax(row[:r+1], row[:r+1])
			clear(row[r+1:])
		}
		Gemm(false, false, end-top, size, end, 1, p, t, v, ld, 0, y[(top-a.From)*a.C:], a.C)
	}
}

func (a *attentionBackward[T]) run(chunk int) {
	at, t, size, ld := a.head(chunk), a.T, a.size(), 3*a.C
	q, k, v := a.qkv[at.q:], a.qkv[at.k:], a.qkv[at.v:]
	dq, dk, dv := a.dqkv[at.q:], a.dqkv[at.k:], a.dqkv[at.v:]
	p, dy := a.probs[at.p:at.p+t*t], a.dy[at.y:]
	kernels := simd.Of[T]()
	scratch := borrow[[]T]()
	defer giveBack(scratch)
	*scratch = Grow(*scratch, t*t)
	ds := *scratch
	for top := 0; top < t; top += causalBlock {
		end := min(top+causalBlock, t)
		Gemm(false, true, end-top, end, size, 1, dy[top*a.C:], a.C, v, ld, 0, ds[top*t:], t)
		for r := top; r < end; r++ {
			kernels.SoftmaxBackward(ds[r*t:r*t+r+1], p[r*t:r*t+r+1])
			clear(ds[r*t+r+1 : r*t+end])
		}
		Gemm(false, false, end-top, size, end, T(a.scale()), ds[top*t:], t, k, ld, 0, dq[top*ld:], ld)
	}
	// A key meets the queries from its own block on.
	for top := 0; top < t; top += causalBlock {
		n := min(causalBlock, t-top)
		Gemm(true, false, n, size, t-top, 1, p[top*t+top:], t, dy[top*a.C:], a.C, 0, dv[top*ld:], ld)
		Gemm(true, false, n, size, t-top, T(a.scale()), ds[top*t+top:], t, q[top*ld:], ld, 0, dk[top*ld:], ld)
	}
}
