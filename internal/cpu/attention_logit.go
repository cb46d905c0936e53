package cpu

import "math"

type attentionLogit[T Float] attention[T]

// MaxAttentionLogit is the largest q·k/√size of all that CausalAttention takes a
// softmax of, those of keys that are not after the query; NaN where one is NaN.
func MaxAttentionLogit[T Float](qkv []T, h Heads) T {
	a := borrow[attention[T]]()
	defer giveBack(a)
	a.Heads, a.qkv = h, qkv
	a.largest = Grow(a.largest, h.B*h.Heads)
	parallel((*attentionLogit[T])(a), h.B*h.Heads)
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

// maximum is the largest element, NaN where there is one, which the softmax's own
// Max does not promise.
func maximum[T Float](x []T) T {
	largest := T(math.Inf(-1))
	for _, v := range x {
		largest = max(largest, v)
	}
	return largest
}
