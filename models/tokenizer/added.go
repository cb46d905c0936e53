package tokenizer

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// endOfText is the token between the documents that GPT-2 was trained on.
const endOfText = "<|endoftext|>"

// addedToken is a token that is found in the text itself, not made by merges. The fields
// are those of Hugging Face's AddedToken.
type addedToken struct {
	content    string
	id         int
	special    bool // ordinary text where special tokens are turned off
	normalized bool // found after those that are not; no text is normalized here
	singleWord bool // found only between characters that are of no word
	lstrip     bool // takes the white space before it
	rstrip     bool // takes the white space after it
}

// passes find the added tokens of a text: the first pass those that are not normalized, the
// second, in what is left, those that are. Each pass has its tokens by their first byte,
// the longest first.
type (
	passes [2]pass
	pass   [256][]addedToken
)

func newPasses(added []addedToken) (p passes) {
	for _, t := range added {
		i := 0
		if t.normalized {
			i = 1
		}
		p[i][t.content[0]] = append(p[i][t.content[0]], t)
	}
	for i := range p {
		for _, of := range p[i] {
			slices.SortFunc(of, func(s, t addedToken) int { return len(t.content) - len(s.content) })
		}
	}
	return p
}

// split finds the pass's tokens in a text, at each place the longest. It calls found with
// the id of each and between with the text between them, in order. As in Hugging Face's
// tokenizers, a token that is passed over because it is no single word still hides those
// that begin inside it, and the white space that a token strips may also begin the next.
func (p *pass) split(text string, between func(string), found func(id int)) {
	start := 0 // of the text that is not yet given out
	for at := 0; at < len(text); {
		i := slices.IndexFunc(p[text[at]], func(t addedToken) bool { return strings.HasPrefix(text[at:], t.content) })
		if i < 0 {
			at++
			continue
		}
		t := p[text[at]][i]
		from, to := at, at+len(t.content)
		at = to
		if t.singleWord && (endsInWord(text[:from]) || startsWithWord(text[to:])) {
			continue
		}
		if t.lstrip {
			from = len(strings.TrimRightFunc(text[:from], unicode.IsSpace))
		}
		if t.rstrip {
			to = len(text) - len(strings.TrimLeftFunc(text[to:], unicode.IsSpace))
		}
		if start < from {
			between(text[start:from])
		}
		found(t.id)
		start = to
	}
	if start < len(text) {
		between(text[start:])
	}
}

func endsInWord(s string) bool {
	r, size := utf8.DecodeLastRuneInString(s)
	return size > 0 && ofWord(r)
}

func startsWithWord(s string) bool {
	r, size := utf8.DecodeRuneInString(s)
	return size > 0 && ofWord(r)
}

// ofWord reports whether a character is part of a word, \w in Unicode's regular
// expressions (UTS 18, annex C).
func ofWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Nl, unicode.Other_Alphabetic, unicode.M, unicode.Nd, unicode.Pc, unicode.Join_Control)
}
