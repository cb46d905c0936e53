// Package tokenizer turns text into the ids that a transformer reads, and ids into
// text: one id a character, as nanoGPT's character models have it, or GPT-2's
// byte-pair encoding, from files on this machine.
package tokenizer

import (
	"fmt"
	"strings"
)

// Tokenizer turns text into ids, which are 0 … Size()−1, and back. It may be used by
// several goroutines at the same time.
type Tokenizer interface {
	Encode(text string) ([]int, error)
	// Encode32 is Encode for long texts: its ids take half the memory.
	Encode32(text string) ([]int32, error)
	// Decode joins the bytes of each id's token. A token may be a part of a UTF-8
	// character, so ids can be decoded and written out one by one.
	Decode(ids []int) (string, error)
	Size() int
}

// integer is a type of ids.
type integer interface{ int | int32 }

// tokens are a tokenizer's, each at its id.
type tokens []string

// Size is the number of ids.
func (t tokens) Size() int { return len(t) }

// Decode joins the bytes of each id's token.
func (t tokens) Decode(ids []int) (string, error) {
	var text strings.Builder
	for i, id := range ids {
		if id < 0 || id >= len(t) {
			return "", fmt.Errorf("tokenizer: id %d, at place %d of %d, is outside 0…%d", id, i, len(ids), len(t)-1)
		}
		text.WriteString(t[id])
	}
	return text.String(), nil
}
