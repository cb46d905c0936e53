package train

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// batches draws sequences at random places of a text, or takes them from places in an order.
// The same seed draws the same sequences for every model.
type batches struct {
	text    []int32
	context int
	source  *rand.PCG
	rng     *rand.Rand // of source
	ordered []int      // places of the next sequences; nil for random ones
}

func newBatches(text []int32, context int, seed uint64) *batches {
	const stream = 0x6261746368657321 // "batches!"
	source := rand.NewPCG(seed, stream)
	return &batches{text: text, context: context, source: source, rng: rand.New(source)}
}

// next fills ids with rows of context tokens, and targets with the token that follows
// each of them.
func (b *batches) next(ids, targets []int) {
	for i := 0; i < len(ids); i += b.context {
		at := b.place()
		widen(ids[i:i+b.context], b.text[at:])
		widen(targets[i:i+b.context], b.text[at+1:])
	}
}

// place returns the place of the next sequence.
func (b *batches) place() (at int) {
	if b.ordered == nil {
		return b.rng.IntN(len(b.text) - b.context)
	}
	at, b.ordered = b.ordered[0], b.ordered[1:]
	return at
}

// widen copies ids of a text to the ids of a graph, as many as fit.
func widen[ID int | int32](to []int, from []ID) {
	for i := range min(len(to), len(from)) {
		to[i] = int(from[i])
	}
}

// windows returns the places of validation sequences, evenly spread over the text. They
// fill as many batches as the text has room for without overlap, at most the given number.
// In a text too short for a batch they fill a part of one.
func windows(text []int32, context, batch, most int) []int {
	return windowsIn([]Span{{0, len(text)}}, context, batch, most)
}

// windowsIn returns windows of several spans of a text, as many of each and in turns: the
// first of each span, the second of each, and so on. The number of batches is at most the
// given one, or one for each span.
func windowsIn(spans []Span, context, batch, most int) (at []int) {
	n := math.MaxInt // of each span
	for _, s := range spans {
		w := max(1, (s.Len()-context)/context)
		if w > batch {
			w = min(w/batch, max(1, most/len(spans))) * batch
		}
		n = min(n, w)
	}
	for i := range n {
		for _, s := range spans {
			places := s.Len() - context // at which a sequence and its targets fit
			at = append(at, s.From+place(i, n, places))
		}
	}
	return at
}

// place returns i·places/n for i < n, also if the product overflows an int.
func place(i, n, places int) int {
	high, low := bits.Mul64(uint64(i), uint64(places))
	at, _ := bits.Div64(high, low, uint64(n))
	return int(at)
}
