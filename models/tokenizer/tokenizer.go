// Package tokenizer converts text to the ids that a transformer reads, and ids to text. It
// implements one id per character, as in nanoGPT's character models, and GPT-2's byte-pair
// encoding. It reads both from local files.
package tokenizer

import (
	"fmt"
	"strings"
)

// Tokenizer converts text to ids, which are 0 … Size()−1, and back. It is safe for concurrent use.
type Tokenizer interface {
	// Encode returns the ids of a text.
	Encode(text string) ([]int, error)
	// Encode32 is Encode for long texts: its ids need half the memory.
	Encode32(text string) ([]int32, error)
	// Decode concatenates the bytes of the ids' tokens. A token may be a part of a UTF-8
	// character, so ids can be decoded and written one by one.
	Decode(ids []int) (string, error)
	// Size returns the number of ids.
	Size() int
}

// integer is a type of ids.
type integer interface{ int | int32 }

// tokens holds a tokenizer's tokens by id.
type tokens []string

// Size returns the number of ids.
func (t tokens) Size() int { return len(t) }

// Decode concatenates the bytes of the ids' tokens.
func (t tokens) Decode(ids []int) (string, error) {
	var text strings.Builder
	for i, id := range ids {
		if id < 0 || id >= len(t) {
			return "", fmt.Errorf("tokenizer: id %d (index %d of %d) is outside 0…%d", id, i, len(ids), len(t)-1)
		}
		text.WriteString(t[id])
	}
	return text.String(), nil
}
