package tokenizer

import (
	"fmt"
	"os"
	"strings"
)

// ReadBPE reads the two files that GPT-2's encoding comes as: vocab.json, an object from
// tokens to ids, and merges.txt, which has a merge on each line, two tokens with a space
// between, the first to be made first, after a line that starts with #version, if there is
// one. OpenAI named them encoder.json and vocab.bpe. Both write a byte that is a printable
// character of Latin-1 as that character, and the others, in order, as those from U+0100
// on: a space is Ġ.
//
// Ids must be 0 … n−1, every byte must have a token, and a merge must make a token of two
// others. One error says all that is wrong with both files.
func ReadBPE(vocabPath, mergesPath string) (*BPE, error) {
	vocab, err := os.ReadFile(vocabPath)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: reading the tokens: %w", err)
	}
	merges, err := os.ReadFile(mergesPath)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: reading the merges: %w", err)
	}
	b, err := parseBPE(vocab, merges)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %s with %s: %w", vocabPath, mergesPath, err)
	}
	return b, nil
}

func parseBPE(vocab, merges []byte) (*BPE, error) {
	entries, err := stoi(vocab)
	if err != nil {
		return nil, fmt.Errorf("the vocabulary %w", err)
	}
	var f faults
	b := &BPE{tokens: f.byID("vocabulary", entries), ranks: make(map[[2]int]int)}
	ids := make(map[string]int, len(entries)) // of tokens as the files write them
	for _, e := range entries {
		ids[e.token] = 0 // if its id is wrong, which has been told
		if _, ok := toBytes(e.token); !ok {
			f.add("vocabulary: tokens outside the byte alphabet", "%.40q", e.token)
		}
	}
	for id, written := range b.tokens {
		ids[written] = id
		b.tokens[id], _ = toBytes(written)
	}
	for i, r := range alphabet {
		id, ok := ids[string(r)]
		if !ok {
			f.add("vocabulary: bytes without a token", "%#02x, written %c", i, r)
		}
		b.bytes[i] = id
	}
	b.addMerges(&f, ids, string(merges))
	return b, f.err()
}

func (b *BPE) addMerges(f *faults, ids map[string]int, text string) {
	given := make(map[string]bool)
	n := 0
	for line := range strings.Lines(strings.TrimRight(text, "\r\n")) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if n == 1 && strings.HasPrefix(line, "#version") {
			continue
		}
		parts := strings.Split(line, " ")
		if len(parts) != 2 {
			f.add("merges: lines that are not two tokens", "%d: %.40q", n, line)
			continue
		}
		left, okLeft := ids[parts[0]]
		right, okRight := ids[parts[1]]
		both, okBoth := ids[parts[0]+parts[1]]
		if !okLeft || !okRight {
			f.add("merges: of what is not in the vocabulary", "line %d: %.40q", n, line)
		}
		if !okBoth {
			f.add("merges: into what is not in the vocabulary", "line %d: %.40q", n, line)
		}
		if given[line] {
			f.add("merges: given twice", "line %d: %.40q", n, line)
		}
		given[line] = true
		b.ranks[[2]int{left, right}] = len(b.merges)
		b.merges = append(b.merges, merge{left, right, both})
	}
}

// alphabet has the character that stands for each byte in the files, as bytes_to_unicode
// in OpenAI's encoder.py has it.
var alphabet = func() (a [256]rune) {
	next := rune(0x100)
	for i := range a {
		if a[i] = rune(i); i < '!' || i > '~' && i < '¡' || i == '\u00ad' {
			a[i] = next
			next++
		}
	}
	return a
}()

var byteOf = func() map[rune]byte {
	m := make(map[rune]byte)
	for i, r := range alphabet {
		m[r] = byte(i)
	}
	return m
}()

// toBytes gives the bytes of a token as the files write it.
func toBytes(written string) (string, bool) {
	var b []byte
	for _, r := range written {
		c, ok := byteOf[r]
		if !ok {
			return "", false
		}
		b = append(b, c)
	}
	return string(b), len(b) > 0
}
