package checkpoint

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/models/tokenizer"
	"gorgonorm/models/transformer"
)

// directory makes a directory with these files.
func directory(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	}
	return dir
}

const (
	runConfig = `{"norm": "rms", "placement": "peri", "qk_norm": true, "layers": 4, "heads": 2, "channels": 128, ` +
		`"context": 64, "bias": true, "lr": 0.1, "vocabulary": "abc"}`
	nanoGPTConfig = `{"n_layer": 4, "n_head": 2, "n_embd": 128, "block_size": 64, "bias": false, "vocab_size": 65, ` +
		`"dropout": 0.0}`
	gpt2Config = `{"model_type": "gpt2", "n_layer": 4, "n_head": 2, "n_embd": 128, "n_ctx": 64, ` +
		`"n_positions": 64, "vocab_size": 50257, "layer_norm_epsilon": 1e-05, "activation_function": "gelu_new", ` +
		`"scale_attn_weights": true}`
	meta = `{"vocab_size": 2, "itos": {"0": "x", "1": "y"}, "stoi": {"x": 0, "y": 1}}`
)

func TestOpenFindsFilesThatBelongTogether(t *testing.T) {
	size := transformer.Config{Layers: 4, Heads: 2, Channels: 128, Context: 64}
	nanoGPT, gpt2, run := size, size, size
	nanoGPT.Vocab, gpt2.Vocab = 65, 50257
	run.Placement, run.QKNorm, run.Bias, run.GELU = transformer.Peri, true, true, transformer.Tanh
	gpt2.GELU = transformer.Tanh
	for name, c := range map[string]struct {
		files       map[string]string
		weights     string
		config      transformer.Config
		norm, valid string // text that the tokenizer can encode; "" if there is no tokenizer
		invalid     string // text that it cannot encode
	}{
		"a run": {map[string]string{"model.safetensors": "", "config.json": runConfig}, "model.safetensors", run, "rms",
			"cab", "x"},
		"a run before others": {map[string]string{"model.safetensors": "", "config.json": runConfig, "meta.json": meta},
			"model.safetensors", run, "rms", "cab", "x"},
		"nanoGPT": {map[string]string{"ckpt.safetensors": "", "config.json": nanoGPTConfig, "meta.json": meta},
			"ckpt.safetensors", nanoGPT, "", "xy", "a"},
		"nanoGPT's weights": {map[string]string{"model.safetensors": "", "meta.json": meta}, "model.safetensors",
			transformer.Config{}, "", "xy", "a"},
		"GPT-2": {map[string]string{"model.safetensors": "", "config.json": gpt2Config}, "model.safetensors", gpt2, "",
			"", ""},
		"half of GPT-2's": {map[string]string{"model.safetensors": "", "vocab.json": "{}"}, "model.safetensors",
			transformer.Config{}, "", "", ""},
		"parts": {map[string]string{
			"model.safetensors.index.json": "", "model-00001-of-00002.safetensors": "",
			"model-00002-of-00002.safetensors": "", "config.json": nanoGPTConfig,
		}, "model.safetensors.index.json", nanoGPT, "", "", ""},
		"parts by another name": {map[string]string{"m.safetensors.index.json": "", "a.safetensors": "",
			"b.safetensors": ""}, "m.safetensors.index.json", transformer.Config{}, "", "", ""},
		"whole and parts": {map[string]string{"model.safetensors": "", "model.safetensors.index.json": ""},
			"model.safetensors", transformer.Config{}, "", "", ""},
		"indexes": {map[string]string{"model.safetensors.index.json": "", "model.fp16.safetensors.index.json": ""},
			"model.safetensors.index.json", transformer.Config{}, "", "", ""},
		"other weights": {map[string]string{"model.safetensors": "", "other.safetensors": ""}, "model.safetensors",
			transformer.Config{}, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := directory(t, c.files)
			for _, path := range []string{dir, filepath.Join(dir, c.weights)} {
				got, err := Open(path)
				require.NoError(t, err)
				require.Equal(t, filepath.Join(dir, c.weights), got.Weights)
				require.Equal(t, c.norm, got.Config.Norm.Name)
				got.Config.Norm = transformer.Norm{}
				require.Equal(t, c.config, got.Config)
				if c.valid == "" {
					require.Nil(t, got.Tokenizer)
					continue
				}
				ids, err := got.Tokenizer.Encode(c.valid)
				require.NoError(t, err)
				text, err := got.Tokenizer.Decode(ids)
				require.NoError(t, err)
				require.Equal(t, c.valid, text)
				_, err = got.Tokenizer.Encode(c.invalid)
				require.Error(t, err)
			}
		})
	}
}

// TestBytePairsUnderBothNames reads the files of the tokenizer's tests.
func TestBytePairsUnderBothNames(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "bpe", name))
		require.NoError(t, err)
		return string(b)
	}
	vocab, merges := read("vocab.json"), read("merges.txt")
	for _, names := range bpeFiles {
		c, err := Open(directory(t, map[string]string{"model.safetensors": "", names[0]: vocab, names[1]: merges}))
		require.NoError(t, err)
		require.IsType(t, new(tokenizer.BPE), c.Tokenizer)
	}
}

// TestTokenizerJSON is read alone and takes precedence over other files, which do not state how text
// is split. Another kind of tokenizer is an error.
func TestTokenizerJSON(t *testing.T) {
	bpe := filepath.Join("..", "..", "testdata", "bpe")
	vocab, err := os.ReadFile(filepath.Join(bpe, "vocab.json"))
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(bpe, "merges.txt"))
	require.NoError(t, err)
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"),
		func(l string) bool { return l == "" || strings.HasPrefix(l, "#version") })
	merges, err := json.Marshal(lines)
	require.NoError(t, err)
	twoFiles, err := tokenizer.ReadBPE(filepath.Join(bpe, "vocab.json"), filepath.Join(bpe, "merges.txt"))
	require.NoError(t, err)
	the, err := twoFiles.Encode("the")
	require.NoError(t, err)
	one := `{"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, "added_tokens": [{"id": 547, ` +
		`"content": "<pad>", "special": true}], "model": {"type": "BPE", "vocab": ` + string(vocab) + `, "merges": ` +
		string(merges) + `}}`
	for _, more := range []map[string]string{{}, {"vocab.json": string(vocab), "merges.txt": ""}} {
		files := map[string]string{"model.safetensors": "", "tokenizer.json": one}
		maps.Copy(files, more)
		c, err := Open(directory(t, files))
		require.NoError(t, err)
		ids, err := c.Tokenizer.Encode("<pad>the")
		require.NoError(t, err)
		require.Equal(t, append([]int{547}, the...), ids)

		files["tokenizer.json"] = `{"model": {"type": "Unigram"}}`
		_, err = Open(directory(t, files))
		require.ErrorContains(t, err, `tokenizer.json: the model is "Unigram", want BPE, as in GPT-2`)
	}
}

// TestConfigWithMarkAndComments: a byte order mark and comments are valid, UTF-16 is an error.
func TestConfigWithMarkAndComments(t *testing.T) {
	c, err := Open(directory(t, map[string]string{"model.safetensors": "",
		"config.json": "\ufeff// of a checkpoint\n{\n\n\"n_head\": 2 /* of attention */\n}\n\n"}))
	require.NoError(t, err)
	require.Equal(t, 2, c.Config.Heads)
	dir := directory(t, map[string]string{"model.safetensors": "", "config.json": "\xff\xfe{\x00}\x00"})
	_, err = Open(dir)
	require.ErrorContains(t, err, filepath.Join(dir, "config.json")+" is UTF-16, want UTF-8")
}

func TestGELU(t *testing.T) {
	for config, want := range map[string]transformer.GELU{
		`{}`:                                           "",
		`{"norm": "layer"}`:                            transformer.Tanh,
		`{"norm": "layer", "gelu": "exact"}`:           transformer.Exact,
		`{"activation_function": "gelu"}`:              transformer.Exact,
		`{"activation_function": "gelu_new"}`:          transformer.Tanh,
		`{"activation_function": "gelu_pytorch_tanh"}`: transformer.Tanh,
	} {
		c, err := Open(directory(t, map[string]string{"model.safetensors": "", "config.json": config}))
		require.NoError(t, err)
		require.Equal(t, want, c.Config.GELU, config)
	}
}

func TestOpenErrors(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"empty": {nil, "DIR has no model.safetensors"},
		"two files": {map[string]string{"a.safetensors": "", "b.safetensors": ""},
			"DIR has several files of weights, give one of them: a.safetensors, b.safetensors"},
		"parts alone": {map[string]string{"model-00001-of-00002.safetensors": "",
			"model-00002-of-00002.safetensors": ""}, "DIR has the parts of a model, " +
			"model-00001-of-00002.safetensors, model-00002-of-00002.safetensors, but not the index that names them, " +
			"model.safetensors.index.json"},
		"two indexes": {map[string]string{"a.safetensors.index.json": "", "b.safetensors.index.json": "",
			"c.safetensors": ""}, "DIR has several files of weights, give one of them: a.safetensors.index.json, " +
			"b.safetensors.index.json"},
		"models of parts": {map[string]string{"a/model.safetensors.index.json": "", "b/model.safetensors": "",
			"b/model.safetensors.index.json": ""}, "DIR holds several models, give the directory of one: a/ b/"},
		"runs": {map[string]string{"a-lr1/model.safetensors": "", "b-lr1/model.safetensors": ""},
			"DIR holds several models, give the directory of one: a-lr1/ b-lr1/"},
		"pickled": {map[string]string{"ckpt.pt": "", "pytorch_model.bin": ""},
			"DIR has no model.safetensors, only ckpt.pt, pytorch_model.bin, which must be converted with PyTorch"},
		"no JSON": {map[string]string{"model.safetensors": "", "config.json": "{"},
			"DIR/config.json: unexpected end of JSON input"},
		"scaled by layer": {map[string]string{"model.safetensors": "",
			"config.json": `{"scale_attn_by_inverse_layer_idx": true}`}, "DIR/config.json: attention's logits are " +
			"not scaled by 1/√size"},
		"no sizes": {map[string]string{"model.safetensors": "", "config.json": `{"n_head": "2"}`},
			"DIR/config.json: json: cannot unmarshal string into Go struct field settings.n_head of type int"},
		"all wrong": {map[string]string{"model.safetensors": "",
			"config.json": `{"n_head": 2, "heads": 3, "norm": "best", "layer_norm_epsilon": 1e-6, ` +
				`"activation_function": "relu", "scale_attn_weights": false}`},
			`DIR/config.json: layer_norm_epsilon is 1e-06, want 1e-05; attention's logits are not scaled by 1/√size; ` +
				`heads is both 3 and 2; unknown norm "best", want one of ` +
				fmt.Sprintf("%q", transformer.NormNames()) +
				`; activation_function is "relu", want "gelu_new" or "gelu"`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := directory(t, c.files)
			_, err := Open(dir)
			require.EqualError(t, err, "checkpoint: "+strings.ReplaceAll(c.want, "DIR", dir))
		})
	}
	_, err := Open("nowhere")
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Open(directory(t, map[string]string{"model.safetensors": "", "meta.json": "[]"}))
	require.ErrorContains(t, err, "meta.json")
	_, err = Open(directory(t, map[string]string{"model.safetensors": "", "config.json": `{"vocabulary": "aa"}`}))
	require.ErrorContains(t, err, "config.json")
}
