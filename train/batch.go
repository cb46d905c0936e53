package train

import (
	"math/bits"
	"math/rand/v2"
)

// batches draws sequences at random places of a text. The same seed draws the
// same sequences, whatever is trained on them.
type batches struct {
	text    []int32
	context int
	rng     *rand.Rand
}

func newBatches(text []int32, context int, seed uint64) *batches {
	return &batches{text: text, context: context, rng: rand.New(rand.NewPCG(seed, 0x6261746368657321))} // "batches!"
}

// next fills ids, row after row of context tokens, and targets with the tokens
// that follow each.
func (b *batches) next(ids, targets []int) {
	for i := 0; i < len(ids); i += b.context {
		at := b.rng.IntN(len(b.text) - b.context)
		widen(ids[i:i+b.context], b.text[at:])
		widen(targets[i:i+b.context], b.text[at+1:])
	}
}

// widen fills a graph's ids from a text's.
func widen[ID int | int32](to []int, from []ID) {
	for i := range min(len(to), len(from)) {
		to[i] = int(from[i])
	}
}

// windows are the places of validation sequences, evenly spread over the text:
// as many full batches as the text has room for without overlap, up to most, or
// less than one batch in a short text.
func windows(text []int32, context, batch, most int) []int {
	places := len(text) - context // where a sequence and its target fit
	n := max(1, places/context)
	if n > batch {
		n = min(n/batch, most) * batch
	}
	at := make([]int, n)
	for i := range at {
		at[i] = place(i, n, places)
	}
	return at
}

// place returns i·places/n for i < n. The product may not fit an int.
func place(i, n, places int) int {
	high, low := bits.Mul64(uint64(i), uint64(places))
	at, _ := bits.Div64(high, low, uint64(n))
	return int(at)
}
