package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// wordLen returns the length in bytes of a text's first word. GPT-2 splits text into words before it
// merges bytes. A word is a match of the pattern in OpenAI's encoder.py,
//
//	's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
//
// Hence a word is the end of a contraction; or letters, numbers or other characters, with the space
// before them; or white space, without its last character if a word follows. \s is Unicode's
// White_Space, as in Python's regex. An invalid byte counts as U+FFFD, one of the other characters.
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

// kind is a class of characters.
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

// runLen returns the length in bytes of a text's longest prefix of characters of one kind.
func runLen(text string, k kind) int {
	for i, r := range text {
		if kindOf(r) != k {
			return i
		}
	}
	return len(text)
}
