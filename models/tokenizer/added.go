package tokenizer

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// endOfText is the token between the documents of GPT-2's training text.
const endOfText = "<|endoftext|>"

// addedToken is a token that is matched in the text itself and not built by merges. The fields are
// those of Hugging Face's AddedToken.
type addedToken struct {
	content    string
	id         int
	special    bool // ordinary text if special tokens are turned off
	normalized bool // matched in the second pass; this package never normalizes text
	singleWord bool // matched only if no word character is next to it
	lstrip     bool // includes the white space before it
	rstrip     bool // includes the white space after it
}

// passes match the added tokens of a text. The first pass matches the tokens that are not
// normalized, the second matches the normalized ones in the remaining text. A pass indexes its
// tokens by their first byte, the longest first.
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
		for _, tokens := range p[i] {
			slices.SortFunc(tokens, func(s, t addedToken) int { return len(t.content) - len(s.content) })
		}
	}
	return p
}

// split matches the pass's tokens in a text, at each position the longest. It calls found with the
// id of each token and between with the text between them, in order. As in Hugging Face's
// tokenizers, a token that is skipped because it is not a single word still hides the tokens that
// start inside it, and the next token may start with the white space that a token strips.
func (p *pass) split(text string, between func(string), found func(id int)) {
	start := 0 // of the text that has not been passed on yet
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
	return size > 0 && isWord(r)
}

func startsWithWord(s string) bool {
	r, size := utf8.DecodeRuneInString(s)
	return size > 0 && isWord(r)
}

// isWord reports whether a character is a word character, \w in Unicode's regular expressions (UTS
// 18, annex C).
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.Nl, unicode.Other_Alphabetic, unicode.M, unicode.Nd, unicode.Pc,
		unicode.Join_Control)
}
