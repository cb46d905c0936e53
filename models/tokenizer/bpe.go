package tokenizer

import (
	"fmt"
	"slices"
)

// BPE is GPT-2's byte-pair encoding (Radford et al. 2019, "Language Models are Unsupervised
// Multitask Learners", section 2.2; Sennrich et al. 2016, arXiv 1508.07909). It splits text into
// words. Each word starts as one token per byte. Then the pair of neighbours that comes first in
// the list of merges becomes one token, at all its positions in the word, until no pair of
// neighbours is in the list.
//
// Added tokens, which merges do not build, are matched in the text first, as in Hugging Face's
// tokenizers. They are those of the files (see ReadBPE), and <|endoftext|> if the vocabulary has
// it. WithoutSpecials treats the special ones among them as ordinary text.
//
// Every text has an encoding, even if it is not valid UTF-8. Decoding returns the same text, except
// for white space next to a token that is declared to strip it. Decoding an id beyond the files'
// tokens is an error. Models with a padded vocabulary have such ids (nanoGPT pads GPT-2's to
// 50304).
type BPE struct {
	tokens
	bytes  [256]int       // ids of single bytes
	merges []merge        // by rank
	ranks  map[[2]int]int // from pairs of ids
	added  []addedToken   // by id
	passes passes         // match the added tokens of a text
}

// merge merges two neighbours into one token. All three are ids.
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

// WithoutSpecials returns the same encoding, except that special tokens in a text are encoded as
// ordinary text. Added tokens that are not special are still matched.
func (b *BPE) WithoutSpecials() *BPE {
	c := *b
	c.passes = newPasses(slices.DeleteFunc(slices.Clone(b.added), func(t addedToken) bool { return t.special }))
	return &c
}

// Encode returns the ids of a text. The error is always nil.
func (b *BPE) Encode(text string) ([]int, error) { return encodePairs[int](b, text), nil }

// Encode32 is Encode for long texts: its ids need half the memory.
func (b *BPE) Encode32(text string) ([]int32, error) { return encodePairs[int32](b, text), nil }

func encodePairs[ID integer](b *BPE, text string) []ID {
	// A text has no more tokens than bytes. The operating system commits no memory for the part of
	// this slice that is never written; growing it by append would need twice as much.
	e := encoder[ID]{b: b, ids: make([]ID, 0, len(text)), done: make(map[string]span)}
	e.encode(text, b.passes[:])
	return e.ids
}

// encoder holds the ids of a text so far, and working memory.
type encoder[ID integer] struct {
	b       *BPE
	ids     []ID
	done    map[string]span // positions in ids of words already encoded
	word    word
	todo    queue
	touched []int
}

// span is a range of the ids.
type span struct{ from, to int }

// rememberedWords limits the number of words in encoder.done, which would grow with the text.
// Frequent words occur early.
const rememberedWords = 1 << 16

// encode appends the ids of a text: those of the added tokens that each pass matches in the text
// that earlier passes left, and those of the words between them.
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

// appendWord appends the ids of a word. A heap orders the merges by rank, so a word of n bytes takes
// n·log(n) steps.
func (e *encoder[ID]) appendWord(text string) {
	e.word.start(e.b, text)
	for at := range len(text) {
		if c, ok := e.word.candidate(at); ok {
			e.todo.push(c)
		}
	}
	for len(e.todo) > 0 {
		// Apply one rank at all its positions, from left to right, before considering any pair that
		// this creates.
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
