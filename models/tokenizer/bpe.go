package tokenizer

import "container/heap"

// BPE is GPT-2's byte-pair encoding (Radford et al. 2019, "Language Models are
// Unsupervised Multitask Learners", section 2.2; Sennrich et al. 2016, arXiv 1508.07909).
// Text is split into words. In each, which starts as a token a byte, the two neighbours
// that come first in the list of merges become one token, wherever they stand in the word,
// until no two neighbours are in the list.
//
// Every text has an encoding, and its decoding is the text, even one that is not valid
// UTF-8. A special token such as <|endoftext|>, which no merges make, is encoded as the
// ordinary text it is, and its id is decoded as that text. An id beyond the files' tokens, as
// models have whose vocabulary was padded (nanoGPT's GPT-2 to 50304), is an error to decode.
type BPE struct {
	tokens
	bytes  [256]int // the ids of single bytes
	merges []merge  // by rank
	ranks  map[[2]int]int
}

// merge makes one token of two neighbours. All are ids.
type merge struct{ left, right, both int }

// Encode gives the ids of a text. There is no text that it has an error for.
func (b *BPE) Encode(text string) ([]int, error) {
	var ids []int
	type span struct{ from, to int }
	done := make(map[string]span) // where in ids the words so far are
	for len(text) > 0 {
		n := wordLen(text)
		word := text[:n]
		text = text[n:]
		s, ok := done[word]
		if ok {
			ids = append(ids, ids[s.from:s.to]...)
			continue
		}
		s.from = len(ids)
		ids = b.appendWord(ids, word)
		s.to = len(ids)
		done[word] = s
	}
	return ids, nil
}

// appendWord appends the ids of a word. A heap gives the merges by rank, so that a word
// of n bytes takes n·log(n) steps.
func (b *BPE) appendWord(ids []int, text string) []int {
	w := newWord(b, text)
	var todo queue
	for at := range len(text) {
		if c, ok := w.candidate(at); ok {
			todo = append(todo, c)
		}
	}
	heap.Init(&todo)
	var touched []int
	for len(todo) > 0 {
		// One rank at all its places, from left to right, before a pair that this makes
		// is looked at.
		rank := todo[0].rank
		touched = touched[:0]
		for len(todo) > 0 && todo[0].rank == rank {
			at := heap.Pop(&todo).(candidate).at
			if w.merge(at, b.merges[rank]) {
				touched = append(touched, w.before[at], at)
			}
		}
		for _, at := range touched {
			if c, ok := w.candidate(at); ok {
				heap.Push(&todo, c)
			}
		}
	}
	for at := 0; at < len(text); at = w.after[at] {
		ids = append(ids, w.ids[at])
	}
	return ids
}

// word is a word while its tokens are being merged: a list, in both directions, of
// tokens by their first byte's place.
type word struct {
	b             *BPE
	ids           []int // gone, which is in no merge, where a place is inside a token
	before, after []int // the places of a token's neighbours, −1 and len(ids) at the ends
}

const gone = -1

func newWord(b *BPE, text string) word {
	w := word{b: b, ids: make([]int, len(text)), before: make([]int, len(text)), after: make([]int, len(text))}
	for i := range len(text) {
		w.ids[i], w.before[i], w.after[i] = b.bytes[text[i]], i-1, i+1
	}
	return w
}

// candidate is a merge, by its rank, of the token at a place and the token after it.
type candidate struct{ rank, at int }

// candidate finds the merge of the token at a place, if there is one.
func (w word) candidate(at int) (candidate, bool) {
	if at < 0 || w.after[at] == len(w.ids) {
		return candidate{}, false
	}
	rank, ok := w.b.ranks[[2]int{w.ids[at], w.ids[w.after[at]]}]
	return candidate{rank, at}, ok
}

// merge merges the token at a place with the token after it, unless one of them has been
// merged with another since it was a candidate.
func (w word) merge(at int, m merge) bool {
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

// queue has the candidate of the lowest rank first, of several the leftmost.
type queue []candidate

func (q queue) Len() int { return len(q) }

func (q queue) Less(i, j int) bool {
	return q[i].rank < q[j].rank || q[i].rank == q[j].rank && q[i].at < q[j].at
}

func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

func (q *queue) Push(c any) { *q = append(*q, c.(candidate)) }

func (q *queue) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	*q = (*q)[:last]
	return c
}
