// Package checkpoint finds the files of a saved model: its weights, its configuration and its
// tokenizer.
package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gorgonorm/models/tokenizer"
	"gorgonorm/models/transformer"
)

// Checkpoint describes a saved model.
type Checkpoint struct {
	Weights   string              // path of the safetensors file, or of the index of its parts
	Config    transformer.Config  // contents of config.json, for transformer.Load; zero fields are unknown
	Tokenizer tokenizer.Tokenizer // nil if there is none
}

// The files of a checkpoint. Those other than the weights may be missing.
const (
	weightsFile = "model.safetensors"
	indexFile   = "model.safetensors.index.json" // for weights in several files
	configFile  = "config.json"
	metaFile    = "meta.json"
	// tokenizerFile is Hugging Face's. It takes precedence over vocab.json and merges.txt, because
	// only this file states how a model splits text into words.
	tokenizerFile = "tokenizer.json"
)

// bpeFiles lists the names of GPT-2's vocabulary and merges, on the hubs and as OpenAI published
// them.
var bpeFiles = [][2]string{{"vocab.json", "merges.txt"}, {"encoder.json", "vocab.bpe"}}

// Open opens a checkpoint. The path is that of its directory or of its weights, with the other files
// in the same directory. The weights are model.safetensors, or model.safetensors.index.json and the
// parts that it names, or the only file of either kind.
//
// config.json can be that of a training run of this module, the model_args of a nanoGPT checkpoint,
// or GPT-2's as published. Another architecture is an error. So is an unknown member, because it
// may change what the model computes.
//
// The tokenizer comes from the first of these that exists: the vocabulary in a run's config.json;
// meta.json, nanoGPT's description of a character model; or GPT-2's byte-pair encoding, with the
// added tokens of the companion files, in tokenizer.json, in vocab.json and merges.txt, or in
// encoder.json and vocab.bpe.
func Open(path string) (Checkpoint, error) {
	c, err := open(path)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("checkpoint: %w", err)
	}
	return c, nil
}

func open(path string) (c Checkpoint, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return c, err
	}
	dir := path
	if info.IsDir() {
		c.Weights, err = findWeights(path)
	} else {
		c.Weights, dir = path, filepath.Dir(path)
	}
	if err != nil {
		return c, err
	}
	var vocabulary string
	if c.Config, vocabulary, err = readConfig(filepath.Join(dir, configFile)); err != nil {
		return c, err
	}
	c.Tokenizer, err = readTokenizer(dir, vocabulary)
	return c, err
}

// findWeights returns the path of the weights in a directory.
func findWeights(dir string) (string, error) {
	for _, name := range []string{weightsFile, indexFile} {
		if path := filepath.Join(dir, name); exists(path) {
			return path, nil
		}
	}
	found := match(dir, "*.safetensors.index.json")
	if len(found) == 0 {
		found = match(dir, "*.safetensors")
	}
	switch runs, pickled := match(dir, "*/"+weightsFile, "*/"+indexFile), match(dir, "*.pt", "*.bin"); {
	case len(found) == 1:
		return filepath.Join(dir, found[0]), nil
	case len(found) > 1 && len(match(dir, "*-?????-of-?????.safetensors")) == len(found):
		return "", fmt.Errorf("%s has the parts of a model, %s, but not the index that names them, %s",
			dir, strings.Join(found, ", "), indexFile)
	case len(found) > 1:
		return "", fmt.Errorf("%s has several files of weights, give one of them: %s", dir, strings.Join(found, ", "))
	case len(runs) > 0:
		for i, path := range runs {
			runs[i], _ = filepath.Split(path)
		}
		slices.Sort(runs)
		return "", fmt.Errorf("%s holds several models, give the directory of one: %s",
			dir, strings.Join(slices.Compact(runs), " "))
	case len(pickled) > 0:
		return "", fmt.Errorf("%s has no %s, only %s, which must be converted with PyTorch",
			dir, weightsFile, strings.Join(pickled, ", "))
	}
	return "", fmt.Errorf("%s has no %s", dir, weightsFile)
}

// match returns the paths in a directory that match any of the patterns.
func match(dir string, patterns ...string) (names []string) {
	for _, p := range patterns {
		found, _ := fs.Glob(os.DirFS(dir), p) // the only error is a malformed pattern
		names = append(names, found...)
	}
	return names
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}

// readTokenizer returns a tokenizer with the vocabulary if it is not empty, or else from the files.
func readTokenizer(dir, vocabulary string) (tokenizer.Tokenizer, error) {
	if vocabulary != "" {
		t, err := tokenizer.NewCharacters(vocabulary)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, configFile), err)
		}
		return t, nil
	}
	if path := filepath.Join(dir, metaFile); exists(path) {
		return tokenizer.ReadMeta(path)
	}
	if path := filepath.Join(dir, tokenizerFile); exists(path) {
		return tokenizer.ReadTokenizerJSON(path)
	}
	for _, f := range bpeFiles {
		vocab, merges := filepath.Join(dir, f[0]), filepath.Join(dir, f[1])
		if exists(vocab) && exists(merges) {
			return tokenizer.ReadBPE(vocab, merges)
		}
	}
	return nil, nil
}
