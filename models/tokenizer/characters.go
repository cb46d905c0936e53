package tokenizer

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"gorgonorm/internal/text"
)

// Characters encodes each character as its index in the vocabulary. Other characters are errors.
type Characters struct {
	tokens
	ids map[rune]int
}

// NewCharacters returns a tokenizer with this vocabulary, whose characters must all be different.
func NewCharacters(vocabulary string) (*Characters, error) {
	if vocabulary == "" {
		return nil, errors.New("tokenizer: the vocabulary has no characters")
	}
	if !utf8.ValidString(vocabulary) {
		return nil, fmt.Errorf("tokenizer: the vocabulary %w", text.Check(vocabulary))
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

// Vocabulary returns the characters in the order of their ids.
func (c *Characters) Vocabulary() string { return strings.Join(c.tokens, "") }

// Encode returns the id of each character. If characters are missing from the vocabulary, the error
// names the first few of them.
func (c *Characters) Encode(s string) ([]int, error) { return encodeCharacters[int](c, s) }

// Encode32 is Encode for long texts: its ids need half the memory.
func (c *Characters) Encode32(s string) ([]int32, error) { return encodeCharacters[int32](c, s) }

func encodeCharacters[ID integer](c *Characters, s string) ([]ID, error) {
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("tokenizer: the text %w", text.Check(s))
	}
	ids := make([]ID, 0, utf8.RuneCountInString(s))
	for at, r := range s {
		id, ok := c.ids[r]
		if !ok {
			return nil, c.unknown(s, at)
		}
		ids = append(ids, ID(id))
	}
	return ids, nil
}

// unknown returns the error for a text whose first unknown character is at byte first.
func (c *Characters) unknown(s string, first int) error {
	const named = 5
	var names []string
	different := make(map[rune]bool)
	n := 0
	for _, r := range s {
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
	err := fmt.Errorf("tokenizer: the text has %d characters (%d different) that are not in the vocabulary of %d: %s; "+
		"the first is at %s", n, len(different), c.Size(), strings.Join(names, ", "), text.Place(s, first))
	if different['\r'] || different['\ufeff'] || different[0] { // signs of a wrong encoding or line ends
		if fault := text.Check(s); fault != nil {
			err = fmt.Errorf("%w; the text %w", err, fault)
		}
	}
	return err
}
