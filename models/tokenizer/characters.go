package tokenizer

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Characters has an id for each character of its vocabulary: the character's place
// there. It knows no others.
type Characters struct {
	tokens
	ids map[rune]int
}

// NewCharacters makes a tokenizer of the vocabulary's characters, each there once.
func NewCharacters(vocabulary string) (*Characters, error) {
	if vocabulary == "" {
		return nil, errors.New("tokenizer: the vocabulary has no characters")
	}
	if at, ok := invalid(vocabulary); ok {
		return nil, fmt.Errorf("tokenizer: the vocabulary is not valid UTF-8: byte %#02x at %s", vocabulary[at], place(vocabulary, at))
	}
	c := &Characters{ids: make(map[rune]int)}
	var f faults
	for _, r := range vocabulary {
		if id, ok := c.ids[r]; ok {
			f.add("characters given twice", "%q of ids %d and %d", r, id, len(c.tokens))
		}
		c.ids[r] = len(c.tokens)
		c.tokens = append(c.tokens, string(r))
	}
	if err := f.err(); err != nil {
		return nil, fmt.Errorf("tokenizer: the vocabulary: %w", err)
	}
	return c, nil
}

// Vocabulary are the characters in the order of their ids.
func (c *Characters) Vocabulary() string { return strings.Join(c.tokens, "") }

// Encode gives the id of each character. A character that is not in the vocabulary is
// an error, which names the first few of them.
func (c *Characters) Encode(text string) ([]int, error) {
	if at, ok := invalid(text); ok {
		return nil, fmt.Errorf("tokenizer: the text is not valid UTF-8: byte %#02x at %s", text[at], place(text, at))
	}
	ids := make([]int, 0, utf8.RuneCountInString(text))
	for at, r := range text {
		id, ok := c.ids[r]
		if !ok {
			return nil, c.unknown(text, at)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// unknown is the error of a text whose first unknown character is at that byte.
func (c *Characters) unknown(text string, first int) error {
	const named = 5
	var names []string
	different := make(map[rune]bool)
	n := 0
	for _, r := range text {
		if _, ok := c.ids[r]; ok {
			continue
		}
		n++
		if !different[r] && len(names) < named {
			names = append(names, fmt.Sprintf("%q", r))
		}
		different[r] = true
	}
	if len(different) > named {
		names = append(names, "…")
	}
	return fmt.Errorf("tokenizer: the text has %d characters, %d different ones, that are not in the vocabulary of %d: %s; the first is at %s",
		n, len(different), c.Size(), strings.Join(names, ", "), place(text, first))
}

// invalid finds the first byte that is in no UTF-8 character.
func invalid(text string) (at int, ok bool) {
	if utf8.ValidString(text) {
		return 0, false
	}
	for {
		r, size := utf8.DecodeRuneInString(text[at:])
		if r == utf8.RuneError && size == 1 {
			return at, true
		}
		at += size
	}
}

// place is that of a byte as editors count: lines and characters from 1.
func place(text string, at int) string {
	before := text[:at]
	line := strings.LastIndexByte(before, '\n') + 1
	return fmt.Sprintf("line %d, column %d", strings.Count(before, "\n")+1, utf8.RuneCountInString(before[line:])+1)
}
