package cpu

import (
	"math"

	"gorgonorm/internal/cpu/simd"
)

// Heads describes the operands of causal self-attention: B sequences of T tokens. One row of 3C elements
// holds a token's query, key and value of C = Heads·size features each, side by side. Tokens before From
// are seen by others but see nothing themselves: the results and the probabilities have rows for the
// tokens from From on.
type Heads struct {
	B, T, C, Heads, From int
}

// size returns the number of features in a head.
func (h Heads) size() int { return h.C / h.Heads }

// probs returns the number of attention probabilities: B·Heads·(T−From)·T.
func (h Heads) probs() int { return h.B * h.Heads * (h.T - h.From) * h.T }

// scale returns 1/√size, which makes the variance of the logits independent of the size.
func (h Heads) scale() float64 { return 1 / math.Sqrt(float64(h.size())) }

// chunks returns one chunk for each head of each sequence.
func (h Heads) chunks() int { return h.B * h.Heads }

// head holds the offsets of one head of one sequence: of its query, key and value in qkv, of its output
// in y, and of its probabilities.
type head struct{ q, k, v, y, p int }

func (h Heads) head(chunk int) head {
	b, i := chunk/h.Heads, chunk%h.Heads*h.size()
	q, rows := b*h.T*3*h.C+i, h.T-h.From
	return head{q: q, k: q + h.C, v: q + 2*h.C, y: b*rows*h.C + i, p: chunk * rows * h.T}
}

// causalBlock is the number of rows in a block. Attention is computed block by block, each with the
// columns up to the block's end, so that it computes little above the diagonal.
const causalBlock = 64

// CausalAttention is multi-head scaled dot-product attention (Vaswani et al. 2017) in which a token sees
// itself and those before it:
//
//	P = softmax(Q·Kᵀ/√size + causal mask)    Y = P·V
//	dV = Pᵀ·dY    dP = dY·Vᵀ    dS = P∘(dP − Σ_j P∘dP)
//	dQ = dS·K/√size    dK = dSᵀ·Q/√size
//
// A token's result does not depend on From, to the last bit: its logits and its softmax are computed for
// it alone, and Gemm sums each element in the order of the tokens, where the zeros of the tokens that it
// does not see change nothing.
type CausalAttention[T Float] struct {
	Heads
	kept []T // P, zero above the diagonal

	y, p, qkv, dqkv, dy []T // of the pass under way; p is nil if P is not kept
}

type (
	attentionForward[T Float]  CausalAttention[T]
	attentionBackward[T Float] CausalAttention[T]
)

// Forward computes Y and keeps P.
func (a *CausalAttention[T]) Forward(y, qkv []T) {
	a.kept = Grow(a.kept, a.probs())
	a.forward(y, a.kept, qkv)
}

// Evaluate computes the Y of Forward without keeping P, in memory for a block of rows.
func (a *CausalAttention[T]) Evaluate(y, qkv []T) { a.forward(y, nil, qkv) }

func (a *CausalAttention[T]) forward(y, p, qkv []T) {
	a.y, a.p, a.qkv = y, p, qkv
	parallel((*attentionForward[T])(a), a.chunks())
	a.y, a.p, a.qkv = nil, nil, nil
}

// Backward computes dQ, dK and dV. From must be 0.
func (a *CausalAttention[T]) Backward(dqkv, qkv, dy []T) {
	a.dqkv, a.qkv, a.dy = dqkv, qkv, dy
	parallel((*attentionBackward[T])(a), a.chunks())
	a.dqkv, a.qkv, a.dy = nil, nil, nil
}

func (a *attentionForward[T]) run(chunk int) {
	at, t, size, ld := a.head(chunk), a.T, a.size(), 3*a.C
	q, k, v, y := a.qkv[at.q:], a.qkv[at.k:], a.qkv[at.v:], a.y[at.y:]
	kernels := simd.Of[T]()
	var block []T
	if a.p == nil {
		scratch := borrow[[]T]()
		defer giveBack(scratch)
		// T of a growing sequence is rounded up, so that the scratch grows rarely.
		*scratch = Grow(*scratch, causalBlock*ceilDiv(t, causalBlock)*causalBlock)
		block = *scratch
	}
	for top := a.From; top < t; top += causalBlock {
		end := min(top+causalBlock, t)
		p := block
		if a.p != nil {
			p = a.p[at.p+(top-a.From)*t:]
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
	p, dy := a.kept[at.p:at.p+t*t], a.dy[at.y:]
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
	// A key is seen by the queries from its own block on.
	for top := 0; top < t; top += causalBlock {
		n := min(causalBlock, t-top)
		Gemm(true, false, n, size, t-top, 1, p[top*t+top:], t, dy[top*a.C:], a.C, 0, dv[top*ld:], ld)
		Gemm(true, false, n, size, t-top, T(a.scale()), ds[top*t+top:], t, q[top*ld:], ld, 0, dk[top*ld:], ld)
	}
}
