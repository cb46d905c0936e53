package tokenizer

import (
	"fmt"
	"slices"
)

// BPE is GPT-2's byte-pair encoding (Radford et al. 2019, "Language Models are
// Unsupervised Multitask Learners", section 2.2; Sennrich et al. 2016, arXiv 1508.07909).
// Text is split into words. In each, which starts as a token a byte, the two neighbours
// that come first in the list of merges become one token, wherever they stand in the word,
// until no two neighbours are in the list.
//
// Added tokens, which no merges make, are found in the text before that, as Hugging Face's
// tokenizers find them: those of the files (see ReadBPE), and <|endoftext|> if there is
// one. WithoutSpecials treats the special ones among them as ordinary text.
//
// Every text has an encoding, and its decoding is the text, even one that is not valid
// UTF-8, except for white space beside a token that is declared to strip it. An id beyond
// the files' tokens, as models have whose vocabulary was padded (nanoGPT's GPT-2 to 50304),
// is an error to decode.
type BPE struct {
	tokens
	bytes  [256]int // the ids of single bytes
	merges []merge  // by rank
	ranks  map[[2]int]int
	added  []addedToken // by id
	passes passes       // find the added tokens of a text
}

// merge makes one token of two neighbours. All are ids.
type merge struct{ left, right, both int }

// Special returns the id of an added token, such as <|endoftext|>.
func (b *BPE) Special(token string) (int, error) {
	var contents []string
	for _, t := range b.added {
		if t.content == token {
			return t.id, nil
		}
		contents = append(contents, t.content)
	}
	return 0, fmt.Errorf("tokenizer: there is no special token %q, only %q", token, contents)
}

// WithoutSpecials returns the same encoding, except that a special token in a text is the
// ordinary text that it also is. Added tokens that are not special are still found.
func (b *BPE) WithoutSpecials() *BPE {
	c := *b
	c.passes = newPasses(slices.DeleteFunc(slices.Clone(b.added), func(t addedToken) bool { return t.special }))
	return &c
}

// Encode gives the ids of a text. It has no error for any text.
func (b *BPE) Encode(text string) ([]int, error) { return encodePairs[int](b, text), nil }

// Encode32 is Encode for long texts: its ids take half the memory.
func (b *BPE) Encode32(text string) ([]int32, error) { return encodePairs[int32](b, text), nil }

func encodePairs[ID integer](b *BPE, text string) []ID {
	// A text has no more tokens than bytes. The system gives no memory to the part of this
	// slice that stays untouched; growing by append would need twice as much.
	e := encoder[ID]{b: b, ids: make([]ID, 0, len(text)), done: make(map[string]span)}
	e.encode(text, b.passes[:])
	return e.ids
}

// encoder holds the ids of a text so far, and working memory.
type encoder[ID integer] struct {
	b       *BPE
	ids     []ID
	done    map[string]span // where in ids the words seen so far are
	word    word
	todo    queue
	touched []int
}

// span is a part of the ids.
type span struct{ from, to int }

// rememberedWords bounds the memory of words, because long texts have ever more of them.
// The frequent ones come early.
const rememberedWords = 1 << 16

// encode appends the ids of a text: of the added tokens of each pass, in the text that
// the passes before have left, and of the words between them.
func (e *encoder[ID]) encode(text string, passes []pass) {
	if len(passes) > 0 {
		passes[0].split(text,
			func(between string) { e.encode(between, passes[1:]) },
			func(id int) { e.ids = append(e.ids, ID(id)) })
		return
	}
	for len(text) > 0 {
		n := wordLen(text)
		word := text[:n]
		text = text[n:]
		s, ok := e.done[word]
		if ok {
			e.ids = append(e.ids, e.ids[s.from:s.to]...)
			continue
		}
		s.from = len(e.ids)
		e.appendWord(word)
		s.to = len(e.ids)
		if len(e.done) < rememberedWords {
			e.done[word] = s
		}
	}
}

// appendWord appends the ids of a word. A heap gives the merges by rank, so that a word
// of n bytes takes n·log(n) steps.
func (e *encoder[ID]) appendWord(text string) {
	e.word.start(e.b, text)
	for at := range len(text) {
		if c, ok := e.word.candidate(at); ok {
			e.todo.push(c)
		}
	}
	for len(e.todo) > 0 {
		// One rank at all its places, from left to right, before a pair that this makes
		// is looked at.
		rank := e.todo[0].rank
		e.touched = e.touched[:0]
		for len(e.todo) > 0 && e.todo[0].rank == rank {
			at := e.todo.pop().at
			if e.word.merge(at, e.b.merges[rank]) {
				e.touched = append(e.touched, e.word.before[at], at)
			}
		}
		for _, at := range e.touched {
			if c, ok := e.word.candidate(at); ok {
				e.todo.push(c)
			}
		}
	}
	for at := 0; at < len(text); at = e.word.after[at] {
		e.ids = append(e.ids, ID(e.word.ids[at]))
	}
}
