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
// validation. A text of several domains has theirs one after the other, each cut so.
type Corpus struct {
	Path       string // of a text of several domains their names
	SHA256     string
	Vocabulary []rune // a character's id is its index; in Unicode order, except in a result of WithVocabulary
	Train, Val []int32
	Domains    []Domain // nil for a text of one file
}

// DefaultText returns the path of a text that comes with Go: Isaac Newton's Opticks,
// which Go's tests of compression use.
func DefaultText() (string, error) {
	root, err := goroot()
	if err != nil {
		return "", err
	}
	path := filepath.Join(root, "src", "testdata", "Isaac.Newton-Opticks.txt")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("train: this Go distribution lacks its test text (%w): give a text with -data", err)
	}
	return path, nil
}

// goroot returns the folder of the Go distribution.
func goroot() (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("train: the default text comes with Go, but go env GOROOT failed (%w): "+
			"give a text with -data", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// ReadCorpus reads a text in UTF-8. It returns an error for a byte order mark or Windows
// line ends, because a model would learn them as characters that other texts lack.
func ReadCorpus(path string) (*Corpus, error) {
	all, err := readText(path)
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	// Hiding the reader's WriteTo makes io.Copy hash in parts, without a copy of the text.
	if _, err := io.Copy(hash, struct{ io.Reader }{strings.NewReader(all)}); err != nil {
		return nil, fmt.Errorf("train: the text %s: %w", path, err)
	}
	c := &Corpus{Path: path, SHA256: hex.EncodeToString(hash.Sum(nil))}
	if err := c.encode([]string{all}); err != nil {
		return nil, err
	}
	c.Domains = nil // a single one is no domain
	return c, nil
}

// readText returns the text of a file.
func readText(path string) (string, error) {
	f, err := text.Open(path, text.MaxText)
	if err != nil {
		return "", fmt.Errorf("train: reading the text: %w", err)
	}
	defer f.Close()
	all, err := text.Read(f)
	if err != nil {
		return "", fmt.Errorf("train: the text %s %w", path, err)
	}
	if all == "" {
		return "", fmt.Errorf("train: the text %s is empty", path)
	}
	return all, nil
}

// encode sets the vocabulary to the characters of the parts, and the training and the
// validation text to theirs: the first 90 % of each part, and the rest of each.
func (c *Corpus) encode(parts []string) error {
	ids := make(map[rune]int32)
	for _, part := range parts {
		for _, r := range part {
			ids[r] = 0
		}
	}
	c.Vocabulary = slices.Sorted(maps.Keys(ids))
	if len(c.Vocabulary) < 2 {
		return fmt.Errorf("train: the text %s has one character only, %q: there is nothing to learn",
			c.Path, c.Vocabulary[0])
	}
	for id, r := range c.Vocabulary {
		ids[r] = int32(id)
	}
	var train, val int // lengths so far
	for _, part := range parts {
		n := utf8.RuneCountInString(part)
		d := Domain{Train: Span{From: train}, Val: Span{From: val}}
		val += (n + 9) / 10
		train += n - (n+9)/10
		d.Train.To, d.Val.To = train, val
		c.Domains = append(c.Domains, d)
	}
	c.Train, c.Val = make([]int32, 0, train), make([]int32, 0, val)
	for i, part := range parts {
		for _, r := range part {
			if len(c.Train) < c.Domains[i].Train.To {
				c.Train = append(c.Train, ids[r])
			} else {
				c.Val = append(c.Val, ids[r])
			}
		}
	}
	return nil
}

// CheckContext returns an error if a part of the text is too short for a sequence of the
// context's length.
func (c *Corpus) CheckContext(context int) error {
	for _, d := range c.parts() {
		for _, part := range []struct {
			name string
			Span
		}{{"training", d.Train}, {"validation", d.Val}} {
			if n := part.Len(); n <= context {
				of := c.Path
				if d.Name != "" {
					of += ", domain " + d.Name + ","
				}
				return fmt.Errorf("train: the text %s is too short: its %s part has %d characters, "+
					"a context of %d needs %d (give a longer text or a smaller -context)",
					of, part.name, n, context, uint(context)+1)
			}
		}
	}
	return nil
}

// on returns the config with the settings that come from the text.
func on(c Config, text *Corpus) Config {
	if text == nil {
		return c
	}
	c.Data, c.DataSHA256, c.Vocabulary = text.Path, text.SHA256, string(text.Vocabulary)
	return c
}
