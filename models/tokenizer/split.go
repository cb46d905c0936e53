package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// wordLen is the length in bytes of a text's first word, as GPT-2 splits text before it
// merges bytes: the first match of the pattern in OpenAI's encoder.py,
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// That is: the end of a contraction; letters, or numbers, or other characters, with the
// space before them; or white space, without its last character where a word follows. \s
// is Unicode's White_Space, as in Python's regex. A byte of no character counts as U+FFFD,
// which is of the others.
func wordLen(text string) int {
	for _, end := range []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"} {
		if strings.HasPrefix(text, end) {
			return len(end)
		}
	}
	start := 0
	if text[0] == ' ' {
		start = 1
	}
	if start < len(text) {
		if r, _ := utf8.DecodeRuneInString(text[start:]); kindOf(r) != white {
			return start + runLen(text[start:], kindOf(r))
		}
	}
	n := runLen(text, white)
	_, last := utf8.DecodeLastRuneInString(text[:n])
	if n < len(text) && n > last {
		n -= last
	}
	return n
}

// kind is what a word is made of.
type kind int

const (
	other kind = iota
	letter
	number
	white
)

func kindOf(r rune) kind {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return white
	}
	return other
}

// runLen is the length in bytes of the characters of that kind at a text's start.
func runLen(text string, k kind) int {
	for i, r := range text {
		if kindOf(r) != k {
			return i
		}
	}
	return len(text)
}
