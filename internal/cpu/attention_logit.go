package cpu

import "math"

// attentionLogit finds the largest logit of each chunk.
type attentionLogit[T Float] struct {
	Heads
	qkv     []T
	largest []T // one for each chunk
}

// MaxAttentionLogit returns the largest q·k/√size over all queries and the keys that they see in
// CausalAttention, or NaN if one of them is NaN.
func MaxAttentionLogit[T Float](qkv []T, h Heads) T {
	a := borrow[attentionLogit[T]]()
	defer giveBack(a)
	a.Heads, a.qkv, a.largest = h, qkv, Grow(a.largest, h.chunks())
	parallel(a, h.chunks())
	a.qkv = nil
	return maximum(a.largest)
}

func (a *attentionLogit[T]) run(chunk int) {
	at, t, size, ld := a.head(chunk), a.T, a.size(), 3*a.C
	q, k := a.qkv[at.q:], a.qkv[at.k:]
	scratch := borrow[[]T]()
	defer giveBack(scratch)
	*scratch = Grow(*scratch, causalBlock*t)
	logits := *scratch
	largest := T(math.Inf(-1))
	for top := 0; top < t; top += causalBlock {
		end := min(top+causalBlock, t)
		Gemm(false, true, end-top, end, size, T(a.scale()), q[top*ld:], ld, k, ld, 0, logits, t)
		for r := top; r < end; r++ {
			row := logits[(r-top)*t:]
			largest = max(largest, maximum(row[:r+1]))
		}
	}
	a.largest[chunk] = largest
}

// maximum returns the largest element, or NaN if there is one. (The Max of package simd returns anything
// if there is a NaN.)
func maximum[T Float](x []T) T {
	largest := T(math.Inf(-1))
	for _, v := range x {
		largest = max(largest, v)
	}
	return largest
}
