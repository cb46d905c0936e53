package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/models/transformer"
	"gorgonorm/train"
)

const verse = "the quick brown fox jumps over the lazy dog. "

// aRun trains a tiny model on the verse and returns the directory of the run.
func aRun(t *testing.T) string {
	t.Helper()
	text := filepath.Join(t.TempDir(), "verse.txt")
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat(verse, 40)), 0o666))
	corpus, err := train.ReadCorpus(text)
	require.NoError(t, err)
	c := train.Defaults()
	c.Norm, c.QKNorm, c.Layers, c.Heads, c.Channels, c.Context = "rms", true, 1, 2, 16, 8
	c.Steps, c.Warmup, c.LR = 60, 5, 0.02
	m, r, err := train.Train(context.Background(), c, corpus, nil)
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "run")
	require.NoError(t, train.WriteRun(dir, r, m))
	return dir
}

// call runs the program.
func call(ctx context.Context, args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = run(ctx, args, &out, &err)
	return status, out.String(), err.String()
}

func succeed(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	status, stdout, stderr := call(context.Background(), args...)
	require.Zero(t, status, stderr)
	return stdout, stderr
}

func TestARunContinuesThePrompt(t *testing.T) {
	dir := aRun(t)
	text, stats := succeed(t, "-model", dir, "-prompt", "the quick ", "-n", "90", "-temperature", "0")
	require.Equal(t, "the quick ", text[:10])
	require.Equal(t, 10+90+1, utf8.RuneCountInString(text), "and a new line")
	require.Regexp(t, `^90 tokens after a prompt of 10, in .* s: \d+ tokens/s\n$`, stats)
	// The text depends on rounding, but the model has learned this word.
	require.Contains(t, text, " the ")

	draw := func(args ...string) string {
		weights := filepath.Join(dir, "model.safetensors")
		text, _ := succeed(t, append([]string{"-model", weights, "-prompt", "t", "-n", "60"}, args...)...)
		return text
	}
	require.Equal(t, draw(), draw("-seed", "1"))
	require.NotEqual(t, draw(), draw("-seed", "2"))
	require.Equal(t, draw("-top-k", "1", "-seed", "3"), draw("-temperature", "0"))
	require.NotEqual(t, draw("-temperature", "5", "-top-k", "0"), draw())
}

func TestEvaluationOfAText(t *testing.T) {
	dir := aRun(t)
	evaluate := func(text string) (loss, perplexity float64, tokens int) {
		path := filepath.Join(t.TempDir(), "text")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
		out, stats := succeed(t, "-model", dir, "-eval", path)
		require.Regexp(t, `^took .* s\n$`, stats)
		_, err := fmt.Sscanf(out, "loss %f nats per token, perplexity %f, over %d tokens in windows of 8\n",
			&loss, &perplexity, &tokens)
		require.NoError(t, err, out)
		return loss, perplexity, tokens
	}
	learned, perplexity, tokens := evaluate(strings.Repeat(verse, 3))
	require.Equal(t, 3*len(verse)-1, tokens)
	require.InEpsilon(t, perplexity, math.Exp(learned), 1e-3)
	backwards := []rune(verse)
	for i, j := 0, len(backwards)-1; i < j; i, j = i+1, j-1 {
		backwards[i], backwards[j] = backwards[j], backwards[i]
	}
	other, _, _ := evaluate(string(backwards))
	require.Less(t, learned, 2.0)
	require.Greater(t, other, learned+1)
}

// directory makes a directory with a file of weights and other files.
func directory(t *testing.T, weights string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	b, err := os.ReadFile(weights)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors"), b, 0o666))
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	return dir
}

var testdata = filepath.Join("..", "..", "testdata")

// meta is the meta.json of the small nanoGPT model.
const meta = `{"vocab_size": 11, "itos": {"0": "\n", "1": " ", "2": "a", "3": "b", "4": "c", "5": "d", "6": "e",
	"7": "f", "8": "g", "9": "h", "10": "ä"}}`

// TestACheckpointOfNanoGPT has a file of weights from PyTorch with nanoGPT's meta. The number
// of heads comes from config.json or -heads.
func TestACheckpointOfNanoGPT(t *testing.T) {
	weights := filepath.Join(testdata, "checkpoints", "nanogpt.safetensors")
	const args = `{"n_layer": 2, "n_head": 2, "n_embd": 8, "block_size": 6, "bias": true, "vocab_size": 11,
		"dropout": 0.0}`
	dir := directory(t, weights, map[string]string{"meta.json": meta, "config.json": args})
	text, _ := succeed(t, "-model", dir, "-n", "20")
	require.Equal(t, 1+20+1, utf8.RuneCountInString(text))
	bare := directory(t, weights, map[string]string{"meta.json": meta})
	again, _ := succeed(t, "-model", bare, "-n", "20", "-heads", "2")
	require.Equal(t, text, again)
	status, _, stderr := call(context.Background(), "-model", bare)
	require.Equal(t, cli.Failed, status)
	require.Contains(t, stderr, "do not say how many attention heads it has: give -heads")
	other := directory(t, weights, map[string]string{"config.json": args, "meta.json": `{"itos": {"0": "a"}}`})
	status, _, stderr = call(context.Background(), "-model", other)
	require.Equal(t, cli.Failed, status)
	require.Contains(t, stderr, "has 11 different tokens, the vocabulary beside it has 1")
}

// TestBytePairs has a model over byte pairs, the kind of tokens of GPT-2.
func TestBytePairs(t *testing.T) {
	dir, _ := pairs(t, 500, nil)
	text, stats := succeed(t, "-model", dir, "-n", "50", "-prompt", "the then", "-temperature", "100")
	require.True(t, strings.HasPrefix(text, "the then"))
	require.Contains(t, stats, "50 tokens after a prompt of ")

	small := filepath.Join(testdata, "checkpoints", "gpt2_f16.safetensors")
	status, _, stderr := call(context.Background(), "-model", directory(t, small, bpeFiles(t)), "-heads", "2")
	require.Equal(t, cli.Failed, status)
	require.Regexp(t, `model.safetensors has 11 different tokens, the vocabulary beside it has \d+`, stderr)
}

// bpeFiles reads the files of the small encoding in the tokenizer's tests.
func bpeFiles(t *testing.T) map[string]string {
	t.Helper()
	files := make(map[string]string)
	for _, name := range []string{"vocab.json", "merges.txt"} {
		b, err := os.ReadFile(filepath.Join(testdata, "bpe", name))
		require.NoError(t, err)
		files[name] = string(b)
	}
	return files
}

// pairs makes a directory with a model over the small encoding in the tokenizer's tests, with
// more embedding rows than tokens, and with files beside it.
func pairs(t *testing.T, more int, files map[string]string) (dir string, m *transformer.Model) {
	t.Helper()
	all := bpeFiles(t)
	maps.Copy(all, files)
	norm, err := transformer.NormByName("layer")
	require.NoError(t, err)
	m, err = transformer.New(G.NewGraph(), transformer.Config{
		Vocab: 547 + more, Context: 8, Layers: 1, Heads: 1, Channels: 4, Norm: norm})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "model.safetensors")
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, m.Save(f))
	require.NoError(t, f.Close())
	return directory(t, path, all), m
}

// file writes a text to a file and returns its path.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	return path
}

// TestSpecialTokensInTexts compares losses with those of the ids: of special tokens by
// default, of ordinary text with -special=false.
func TestSpecialTokensInTexts(t *testing.T) {
	dir, m := pairs(t, 3, map[string]string{"added_tokens.json": `{"<pad>": 547}`})
	ordinary := []int{27, 91, 538, 69, 83, 68, 87, 83, 91, 29} // by gpt-3-encoder
	text := file(t, "a<|endoftext|>a<pad>")
	for flag, ids := range map[string][]int{
		"-special":       {64, 546, 64, 547},
		"-special=false": slices.Concat([]int{64}, ordinary, []int{64, 547}),
	} {
		e, err := train.Evaluate(t.Context(), m, ids, nil)
		require.NoError(t, err)
		out, _ := succeed(t, "-model", dir, "-eval", text, flag)
		require.Contains(t, out, fmt.Sprintf("loss %.4f nats per token, ", e.Loss))
		require.Contains(t, out, fmt.Sprintf(" over %d tokens ", len(ids)-1))
		out, stats := succeed(t, "-model", dir, "-prompt", "a<|endoftext|>", "-n", "1", flag)
		require.True(t, strings.HasPrefix(out, "a<|endoftext|>"))
		require.Contains(t, stats, fmt.Sprintf("after a prompt of %d,", len(ids)-2))
	}
}

// TestATokenWithoutARow checks that it is an error in a text and that it is never sampled.
func TestATokenWithoutARow(t *testing.T) {
	dir, _ := pairs(t, 0, map[string]string{"added_tokens.json": `{"<pad>": 547}`})
	succeed(t, "-model", dir, "-n", "300", "-top-k", "0", "-temperature", "1000")
	for _, args := range [][]string{{"-prompt", "a<pad>"}, {"-eval", file(t, "a<pad>")}} {
		status, stdout, stderr := call(context.Background(), append(args, "-model", dir)...)
		require.Equal(t, cli.Failed, status)
		require.Empty(t, stdout)
		require.Contains(t, stderr, `the token "<pad>" has the id 547, the model has only ids from 0 to 546`)
	}
}

// TestPrompts has prompts with escapes from the command line, and without escapes from a file
// or standard input. The default depends on the vocabulary.
func TestPrompts(t *testing.T) {
	dir, _ := pairs(t, 0, nil)
	run := aRun(t)
	const odd = "the \\n “quick”\n\tbrown \\"
	for name, c := range map[string]struct {
		model, stdin string
		args         []string
		want         string
	}{
		"the default":                 {dir, "", nil, "\n"},
		"without a new line":          {run, "", nil, " "}, // the vocabulary's first character
		"a new line":                  {dir, "", []string{"-prompt", `\n`}, "\n"},
		"escapes":                     {dir, "", []string{"-prompt", `the \\n “quick”\n\tbr\u006fwn \\`}, odd},
		"bytes":                       {dir, "", []string{"-prompt", `\xff"'\x00`}, "\xff\"'\x00"},
		"new lines and quotes":        {dir, "", []string{"-prompt", "a\n“'\""}, "a\n“'\""},
		"a file":                      {dir, "", []string{"-prompt-file", file(t, odd+"\n")}, odd + "\n"},
		"standard input":              {dir, odd, []string{"-prompt-file", "-"}, odd},
		"a run's from standard input": {run, "the quick ", []string{"-prompt-file", "-"}, "the quick "},
	} {
		t.Run(name, func(t *testing.T) {
			if c.stdin != "" {
				standardInput(t, c.stdin)
			}
			out, _ := succeed(t, append(c.args, "-model", c.model, "-n", "3", "-temperature", "0")...)
			require.Equal(t, c.want, out[:min(len(out), len(c.want))])
		})
	}
	standardInput(t, verse)
	out, _ := succeed(t, "-model", run, "-eval", "-")
	want, _ := succeed(t, "-model", run, "-eval", file(t, verse))
	require.Equal(t, want, out)
}

// standardInput sets the standard input of this test.
func standardInput(t *testing.T, text string) {
	t.Helper()
	f, err := os.Open(file(t, text))
	require.NoError(t, err)
	original := os.Stdin
	os.Stdin = f
	t.Cleanup(func() { os.Stdin = original; f.Close() })
}

// TestTextsInOtherEncodings expects errors from models of characters and of byte pairs.
func TestTextsInOtherEncodings(t *testing.T) {
	dir, _ := pairs(t, 0, nil)
	for text, want := range map[string]string{
		"\ufeffthe quick":        "starts with a byte order mark (U+FEFF): remove it",
		"the\r\nquick\r\n":       "has 2 lines that end in CRLF, the first is line 1: make the line ends LF",
		"\xff\xfet\x00h\x00":     "is UTF-16, want UTF-8: convert it, for example with: iconv",
		"the\ncaf\xe9 is closed": "is not valid UTF-8: byte 0xe9 at line 2, column 4",
	} {
		path := file(t, text)
		for _, model := range []string{dir, aRun(t)} {
			for _, flag := range []string{"-eval", "-prompt-file"} {
				status, stdout, stderr := call(context.Background(), "-model", model, flag, path)
				require.Equal(t, cli.Failed, status)
				require.Empty(t, stdout)
				require.Contains(t, stderr, path+" "+want)
			}
		}
	}
	standardInput(t, "\ufeffthe")
	_, _, stderr := call(context.Background(), "-model", dir, "-prompt-file", "-")
	require.Contains(t, stderr, "standard input starts with a byte order mark")
}

func TestErrors(t *testing.T) {
	dir := aRun(t)
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{nil, cli.Misused,
			"-model is missing, want the directory or the safetensors file of a model (-h explains the flags)"},
		{[]string{"-model", dir, "-eval", "-", "-prompt", "x"}, cli.Misused,
			"-prompt has no effect with -eval, which samples nothing: give one of them"},
		{[]string{"-model", dir, "-eval", "-", "-seed", "3"}, cli.Misused,
			"-seed has no effect with -eval, which samples nothing: give one of them"},
		{[]string{"-model", dir, "-n", "0"}, cli.Misused, "-n is 0, want 1 or more"},
		{[]string{"-model", dir, "-temperature", "-1"}, cli.Misused,
			"temperature is -1, want a finite number, 0 or more"},
		{[]string{"-model", dir, "-top-k", "-1"}, cli.Misused, "top-k is -1, want 0 (all) or more"},
		{[]string{"-model", dir, "-norm", "best"}, cli.Misused, `unknown norm "best"`},
		{[]string{"-model", dir, "-heads", "-2"}, cli.Misused, "-heads is -2, want 1 or more"},
		{[]string{"-model", dir, "more"}, cli.Misused, `unexpected argument "more"`},
		{[]string{"-model", "nowhere"}, cli.Failed, "nowhere: no such file"},
		{[]string{"-model", filepath.Dir(dir)}, cli.Failed, "give the directory of one: run/"},
		{[]string{"-model", filepath.Join(dir, "config.json")}, cli.Failed, "config.json is not a safetensors file"},
		{[]string{"-model", dir, "-prompt", "ß"}, cli.Failed, "the prompt: tokenizer: "},
		{[]string{"-model", dir, "-prompt", ""}, cli.Failed, "the prompt is empty"},
		{[]string{"-model", dir, "-heads", "4"}, cli.Failed, "heads is 2, want 4"},
		{[]string{"-model", dir, "-norm", "layer"}, cli.Failed, `its metadata has norm "rms", want "layer"`},
		{[]string{"-model", dir, "-eval", "nowhere"}, cli.Failed, "nowhere: no such file"},
		{[]string{"-model", dir, "-eval", filepath.Join(dir, "config.json")}, cli.Failed, "config.json: tokenizer: "},
		{[]string{"-model", dir, "-prompt-file", "nowhere"}, cli.Failed, "nowhere: no such file"},
		{[]string{"-model", dir, "-prompt-file", ""}, cli.Misused, "-prompt-file is empty, want a file"},
		{[]string{"-model", dir, "-prompt-file", "-", "-prompt", "t"}, cli.Misused,
			"-prompt and -prompt-file cannot be combined"},
		{[]string{"-model", dir, "-prompt", `t\d`}, cli.Misused,
			`"\\d" is not an escape: write \\ for a backslash, or give the text with -prompt-file`},
		{[]string{"-model", dir, "-prompt", `t\`}, cli.Misused, `"\\" is not an escape`},
		{[]string{"-model", dir, "-eval", ""}, cli.Misused, "-eval is empty, want a file"},
		{[]string{"-heads", "2", "-model", filepath.Join(testdata, "checkpoints", "gpt2_f16.safetensors")}, cli.Failed,
			"gpt2_f16.safetensors has no tokenizer beside it"},
	} {
		status, stdout, stderr := call(context.Background(), c.args...)
		require.Equal(t, c.status, status, stderr)
		require.Empty(t, stdout)
		require.Contains(t, stderr, "generate: ")
		require.Contains(t, stderr, c.want)
	}
}

// TestADamagedRunIsAnError also checks that its file of weights still loads.
func TestADamagedRunIsAnError(t *testing.T) {
	whole := aRun(t)
	for _, c := range []struct{ name, file, text, want string }{
		{"config of {}", "config.json", "{}", "config.json: batch is missing (give "},
		{"config cut", "config.json", "{\"norm\": ", "config.json: unexpected end of JSON input"},
		{"config gone", "config.json", "gone", "config.json: no such file or directory (give "},
		{"metrics empty", "metrics.jsonl", "", "metrics.jsonl has 0 steps, summary.json says 60 (give "},
		{"summary of {}", "summary.json", "{}", "summary.json: best_val is missing (give "},
		{"weights gone", "model.safetensors", "gone", " has no model.safetensors"},
		{"weights cut", "model.safetensors", "\x02\x00\x00\x00\x00\x00\x00\x00{",
			"model.safetensors is not a safetensors file: its header should have 2 bytes, but the file has 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS(whole)))
			path := filepath.Join(dir, c.file)
			if c.text == "gone" {
				require.NoError(t, os.Remove(path))
			} else {
				require.NoError(t, os.WriteFile(path, []byte(c.text), 0o666))
			}
			status, stdout, stderr := call(context.Background(), "-model", dir, "-prompt", "t", "-n", "1")
			require.Equal(t, cli.Failed, status)
			require.Empty(t, stdout)
			require.Contains(t, stderr, c.want)
			require.Equal(t, 1, strings.Count(stderr, "\n"))
			if strings.HasSuffix(c.want, "(give ") && c.file != "config.json" {
				succeed(t, "-model", filepath.Join(dir, "model.safetensors"), "-prompt", "t", "-n", "1")
			}
		})
	}
}

// full is a writer on a full disk.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestFailedOutputIsAnError(t *testing.T) {
	dir := aRun(t)
	for _, args := range [][]string{{"-prompt", "t"}, {"-eval", filepath.Join(dir, "text")}} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "text"), []byte(verse), 0o666))
		var stderr bytes.Buffer
		require.Equal(t, cli.Failed, run(context.Background(), append(args, "-model", dir), full{}, &stderr))
		require.Contains(t, stderr.String(), "the disk is full")
	}
}

func TestInterrupted(t *testing.T) {
	dir := aRun(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	status, stdout, stderr := call(ctx, "-model", dir, "-prompt", "t", "-n", "1000000")
	require.Equal(t, cli.Interrupted, status)
	require.Less(t, len(stdout), 10)
	require.Contains(t, stderr, "generate: stopped\n")
	text := filepath.Join(t.TempDir(), "text")
	require.NoError(t, os.WriteFile(text, []byte(verse), 0o666))
	status, stdout, stderr = call(ctx, "-model", dir, "-eval", text)
	require.Equal(t, cli.Interrupted, status)
	require.Empty(t, stdout)
	require.Equal(t, "generate: stopped\n", stderr)
}

func TestHelpTeaches(t *testing.T) {
	help, stderr := succeed(t, "-h")
	require.Empty(t, stderr)
	for _, flag := range strings.Fields("model prompt prompt-file special n temperature top-k seed eval heads norm gelu") {
		require.Contains(t, help, "  -"+flag)
	}
}
