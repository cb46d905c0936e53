package train

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"slices"

	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/safetensors"
	"gorgonorm/internal/text"
	"gorgonorm/models/transformer"
)

// StartFrom returns the config of runs that start from a safetensors file, or from the
// index of several. A run loads the tensors whose names and shapes are those of its model,
// except the one named except, and initializes the others as usual.
func StartFrom(c Config, path, except string) (Config, error) {
	hash, err := hashOf(path)
	if err != nil {
		return c, err
	}
	c.Init, c.InitSHA256, c.InitExcept = path, hash, except
	return c, nil
}

// InitialModel returns the model of a run before its first step. For a config of StartFrom
// it also returns what was loaded, and an error if nothing was.
func InitialModel(c Config, text *Corpus) (*transformer.Model, transformer.Matching, error) {
	if err := text.check(); err != nil {
		return nil, transformer.Matching{}, err
	}
	return start(G.NewGraph(), c, text)
}

func start(g *G.ExprGraph, c Config, text *Corpus) (m *transformer.Model, found transformer.Matching, err error) {
	mc, err := modelOf(c, text.Vocabulary)
	if err != nil {
		return nil, found, err
	}
	if m, err = transformer.New(g, mc); err != nil || c.Init == "" {
		return m, found, err
	}
	switch hash, err := hashOf(c.Init); {
	case err != nil:
		return nil, found, err
	case hash != c.InitSHA256: // changed while the grid ran, whose record has the hash
		return nil, found, fmt.Errorf("train: %s has changed: its SHA-256 is %s, want %s", c.Init, hash, c.InitSHA256)
	}
	var except []string
	if c.InitExcept != "" {
		except = append(except, c.InitExcept)
	}
	if found, err = m.LoadMatching(c.Init, except...); err != nil {
		return nil, found, err
	}
	if len(found.Loaded) == 0 {
		return nil, found, fmt.Errorf("train: %s has no tensor of a model with the norm %s: %v", c.Init, c.Norm, found.Left)
	}
	return m, found, nil
}

// hashOf returns the SHA-256 of a file. For an index it is that of the index and its parts,
// concatenated.
func hashOf(path string) (string, error) {
	paths, err := safetensors.Paths(path)
	if err != nil {
		return "", fmt.Errorf("train: %w", err)
	}
	h := sha256.New()
	for _, path := range paths {
		if err := appendFile(h, path); err != nil {
			return "", fmt.Errorf("train: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func appendFile(w io.Writer, path string) error {
	f, err := text.Open(path, math.MaxInt64)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// WithVocabulary returns the text with the ids of another vocabulary. If the vocabulary
// lacks characters of the text, it returns those characters instead.
func (c *Corpus) WithVocabulary(vocabulary []rune) (same *Corpus, unknown []rune) {
	ids := make([]int32, len(c.Vocabulary))
	for id, r := range c.Vocabulary {
		if ids[id] = int32(slices.Index(vocabulary, r)); ids[id] < 0 {
			unknown = append(unknown, r)
		}
	}
	if len(unknown) > 0 {
		return nil, unknown
	}
	in := func(text []int32) []int32 {
		other := make([]int32, len(text))
		for i, id := range text {
			other[i] = ids[id]
		}
		return other
	}
	other := *c
	other.Vocabulary, other.Train, other.Val = vocabulary, in(c.Train), in(c.Val)
	return &other, nil
}
