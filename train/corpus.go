package train

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"gorgonorm/models/tokenizer"
)

// Corpus is a text as ids of its characters, the first 90 % for training and the
// rest for validation.
type Corpus struct {
	Path       string
	SHA256     string
	Vocabulary []rune // a character's id is its place here; in Unicode's order, but for what In gives
	Train, Val []int
}

// DefaultText is the path of real text that comes with Go: Isaac Newton's
// Opticks, as Go's own tests of compression use it.
func DefaultText() (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("train: the default text comes with Go, but go env GOROOT failed (%w): give a text with -data", err)
	}
	path := filepath.Join(strings.TrimSpace(string(out)), "src", "testdata", "Isaac.Newton-Opticks.txt")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("train: this Go distribution comes without its test text (%w): give a text with -data", err)
	}
	return path, nil
}

// ReadCorpus reads a UTF-8 text.
func ReadCorpus(path string) (*Corpus, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("train: reading the text: %w", err)
	}
	if len(b) == 0 {
		return nil, fmt.Errorf("train: the text %s is empty", path)
	}
	if !utf8.Valid(b) {
		return nil, fmt.Errorf("train: the text %s is not valid UTF-8", path)
	}
	hash := sha256.Sum256(b)
	c := &Corpus{Path: path, SHA256: hex.EncodeToString(hash[:])}
	c.Vocabulary = slices.Compact(slices.Sorted(slices.Values([]rune(string(b)))))
	if len(c.Vocabulary) < 2 {
		return nil, fmt.Errorf("train: the text %s has one character only, %q: there is nothing to learn", path, c.Vocabulary[0])
	}
	characters, err := tokenizer.NewCharacters(string(c.Vocabulary))
	if err != nil {
		return nil, fmt.Errorf("train: the text %s: %w", path, err)
	}
	all, err := characters.Encode(string(b))
	if err != nil {
		return nil, fmt.Errorf("train: the text %s: %w", path, err)
	}
	split := len(all) - (len(all)+9)/10
	c.Train, c.Val = all[:split], all[split:]
	return c, nil
}

// Fits says whether sequences of a context's length can be cut from both parts.
func (c *Corpus) Fits(context int) error {
	for _, part := range []struct {
		name string
		ids  []int
	}{{"training", c.Train}, {"validation", c.Val}} {
		if n := len(part.ids); n <= context {
			return fmt.Errorf("train: the text %s is too short: its %s part has %d characters, a context of %d needs %d (give a longer text or a smaller -context)",
				c.Path, part.name, n, context, uint(context)+1)
		}
	}
	return nil
}
