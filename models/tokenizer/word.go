package tokenizer

// word is a word while its tokens are being merged: a doubly linked list of tokens, each at the
// index of its first byte.
type word struct {
	b             *BPE
	ids           []int // the id at a token's first byte, gone at its other bytes
	before, after []int // indices of a token's neighbours, −1 and len(ids) at the ends
}

const gone = -1

// start resets w to the word text with one token per byte, and reuses its memory.
func (w *word) start(b *BPE, text string) {
	w.b, w.ids, w.before, w.after = b, w.ids[:0], w.before[:0], w.after[:0]
	for i := range len(text) {
		w.ids = append(w.ids, b.bytes[text[i]])
		w.before, w.after = append(w.before, i-1), append(w.after, i+1)
	}
}

// candidate is a possible merge, by its rank, of the token at an index with the token after it.
type candidate struct{ rank, at int }

// candidate returns the merge of the token at an index with the token after it, if there is one.
func (w *word) candidate(at int) (candidate, bool) {
	if at < 0 || w.after[at] == len(w.ids) {
		return candidate{}, false
	}
	rank, ok := w.b.ranks[[2]int{w.ids[at], w.ids[w.after[at]]}]
	return candidate{rank, at}, ok
}

// merge merges the token at an index with the token after it, unless one of them has changed since
// the merge became a candidate. It reports whether it did.
func (w *word) merge(at int, m merge) bool {
	next := w.after[at]
	if w.ids[at] != m.left || w.ids[next] != m.right {
		return false
	}
	w.ids[at], w.ids[next] = m.both, gone
	w.after[at] = w.after[next]
	if w.after[at] < len(w.ids) {
		w.before[w.after[at]] = at
	}
	return true
}

// queue is a binary heap of candidates by rank and, within a rank, from left to right.
// container/heap would allocate memory for each candidate.
type queue []candidate

func (q queue) less(i, j int) bool {
	return q[i].rank < q[j].rank || q[i].rank == q[j].rank && q[i].at < q[j].at
}

func (q *queue) push(c candidate) {
	*q = append(*q, c)
	for i := len(*q) - 1; i > 0 && q.less(i, (i-1)/2); i = (i - 1) / 2 {
		(*q)[i], (*q)[(i-1)/2] = (*q)[(i-1)/2], (*q)[i]
	}
}

func (q *queue) pop() candidate {
	h := *q
	first, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	*q = h
	for i := 0; ; {
		child := 2*i + 1
		if child+1 < last && h.less(child+1, child) {
			child++
		}
		if child >= last || !h.less(child, i) {
			return first
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}
