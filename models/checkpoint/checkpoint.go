// Package checkpoint finds what belongs to a saved model: its weights, its
// configuration and what turns text into its ids.
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

// Checkpoint is a model's files.
type Checkpoint struct {
	Weights   string              // the path of the safetensors file, or of the index of its parts
	Config    transformer.Config  // what config.json says, for transformer.Load; zero where it says nothing
	Tokenizer tokenizer.Tokenizer // nil where there is none
}

// The files that stand beside the weights, each of which may be missing.
const (
	weightsFile = "model.safetensors"
	indexFile   = "model.safetensors.index.json" // of weights in several files
	configFile  = "config.json"
	metaFile    = "meta.json"
	// Hugging Face's, and before other files of theirs: they split another model's text
	// in another way, and this one says which.
	tokenizerFile = "tokenizer.json"
)

// bpeFiles are the names of GPT-2's vocabulary and merges, as the hubs have them and
// as OpenAI published them.
var bpeFiles = [][2]string{{"vocab.json", "merges.txt"}, {"encoder.json", "vocab.bpe"}}

// Open finds a checkpoint by its directory, or by its weights' file with the others
// beside that. Weights are model.safetensors, or model.safetensors.index.json and the parts
// that it names, or the only file of either kind.
//
// config.json is a training run's of this module, the model_args of a checkpoint of
// nanoGPT, or GPT-2's as published. One of another architecture is an error, and so is
// one with a member that is not known, because that may change what the model computes.
// The tokenizer is of the first of these that is
// there: the vocabulary in a run's config.json; meta.json, nanoGPT's meta of a
// character model; tokenizer.json, or vocab.json and merges.txt, or encoder.json and
// vocab.bpe, GPT-2's byte-pair encoding, with the added tokens of the files beside.
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

// findWeights finds the weights in a directory.
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
		return "", fmt.Errorf("%s has the parts of a model, %s, and not the index that names them, %s", dir, strings.Join(found, ", "), indexFile)
	case len(found) > 1:
		return "", fmt.Errorf("%s has several files of weights, give one of them: %s", dir, strings.Join(found, ", "))
	case len(runs) > 0:
		for i, path := range runs {
			runs[i], _ = filepath.Split(path)
		}
		slices.Sort(runs)
		return "", fmt.Errorf("%s holds several models, give the directory of one: %s", dir, strings.Join(slices.Compact(runs), " "))
	case len(pickled) > 0:
		return "", fmt.Errorf("%s has no %s, only %s, which PyTorch has to read and save as one", dir, weightsFile, strings.Join(pickled, ", "))
	}
	return "", fmt.Errorf("%s has no %s", dir, weightsFile)
}

// match lists what in a directory has a name of one of the patterns.
func match(dir string, patterns ...string) (names []string) {
	for _, p := range patterns {
		found, _ := fs.Glob(os.DirFS(dir), p) // whose only error is a malformed pattern
		names = append(names, found...)
	}
	return names
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil || !errors.Is(err, fs.ErrNotExist)
}

// readTokenizer makes a tokenizer of the vocabulary, if there is one, or of files.
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
