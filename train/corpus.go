package train

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"gorgonorm/internal/text"
)

// Corpus is a text as ids of its characters: the first 90 % for training, the rest for
// validation.
type Corpus struct {
	Path       string
	SHA256     string
	Vocabulary []rune // a character's id is its index; in Unicode order, except in a result of WithVocabulary
	Train, Val []int32
}

// DefaultText returns the path of a text that comes with Go: Isaac Newton's Opticks,
// which Go's tests of compression use.
func DefaultText() (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("train: the default text comes with Go, but go env GOROOT failed (%w): "+
			"give a text with -data", err)
	}
	path := filepath.Join(strings.TrimSpace(string(out)), "src", "testdata", "Isaac.Newton-Opticks.txt")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("train: this Go distribution lacks its test text (%w): give a text with -data", err)
	}
	return path, nil
}

// ReadCorpus reads a text in UTF-8. It returns an error for a byte order mark or Windows
// line ends, because a model would learn them as characters that other texts lack.
func ReadCorpus(path string) (*Corpus, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("train: reading the text: %w", err)
	}
	defer f.Close()
	all, err := text.Read(f)
	if err != nil {
		return nil, fmt.Errorf("train: the text %s %w", path, err)
	}
	if all == "" {
		return nil, fmt.Errorf("train: the text %s is empty", path)
	}
	hash := sha256.New()
	// Hiding the reader's WriteTo makes io.Copy hash in parts, without a copy of the text.
	if _, err := io.Copy(hash, struct{ io.Reader }{strings.NewReader(all)}); err != nil {
		return nil, fmt.Errorf("train: the text %s: %w", path, err)
	}
	c := &Corpus{Path: path, SHA256: hex.EncodeToString(hash.Sum(nil))}
	ids := make(map[rune]int32)
	for _, r := range all {
		ids[r] = 0
	}
	c.Vocabulary = slices.Sorted(maps.Keys(ids))
	if len(c.Vocabulary) < 2 {
		return nil, fmt.Errorf("train: the text %s has one character only, %q: there is nothing to learn",
			path, c.Vocabulary[0])
	}
	for id, r := range c.Vocabulary {
		ids[r] = int32(id)
	}
	whole := make([]int32, 0, utf8.RuneCountInString(all))
	for _, r := range all {
		whole = append(whole, ids[r])
	}
	split := len(whole) - (len(whole)+9)/10
	c.Train, c.Val = whole[:split], whole[split:]
	return c, nil
}

// CheckContext returns an error if a part of the text is too short for a sequence of the
// context's length.
func (c *Corpus) CheckContext(context int) error {
	for _, part := range []struct {
		name string
		ids  []int32
	}{{"training", c.Train}, {"validation", c.Val}} {
		if n := len(part.ids); n <= context {
			return fmt.Errorf("train: the text %s is too short: its %s part has %d characters, "+
				"a context of %d needs %d (give a longer text or a smaller -context)",
				c.Path, part.name, n, context, uint(context)+1)
		}
	}
	return nil
}

// on returns the config with the settings that come from the text.
func on(c Config, text *Corpus) Config {
	c.Data, c.DataSHA256, c.Vocabulary = text.Path, text.SHA256, string(text.Vocabulary)
	return c
}
