package train

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"

	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/safetensors"
	"gorgonorm/models/transformer"
)

// StartFrom returns the config of runs that start from the weights of a safetensors
// file, or of the index of several, wherever those have the names and shapes of the
// model's, except one of them if its name is given. All others start as they would
// without.
func StartFrom(c Config, path, except string) (Config, error) {
	hash, err := hashOf(path)
	if err != nil {
		return c, err
	}
	c.Init, c.InitSHA256, c.InitExcept = path, hash, except
	return c, nil
}

// Start is the model of a run before its first step, and what it has of the file that
// the run starts from, if it starts from one. That it has nothing of it is an error.
func Start(c Config, text *Corpus) (*transformer.Model, transformer.Matching, error) {
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
	case hash != c.InitSHA256: // a grid takes hours, and its record says what it started from
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
		return nil, found, fmt.Errorf("train: %s has nothing in common with a model under %s: %v", c.Init, c.Norm, found.Left)
	}
	return m, found, nil
}

// hashOf is the SHA-256 of a file or, if that is an index, of it and its parts, one
// behind the other.
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
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// In is the text with the ids that its characters have in another vocabulary, or else
// those of its characters that are not in that.
func (c *Corpus) In(vocabulary []rune) (same *Corpus, unknown []rune) {
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
	return &Corpus{Path: c.Path, SHA256: c.SHA256, Vocabulary: vocabulary, Train: in(c.Train), Val: in(c.Val)}, nil
}
