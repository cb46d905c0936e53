package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

// trainedRun trains a run of two blocks and returns its directory and record.
func trainedRun(t *testing.T) (dir string, r runlog.Run) {
	t.Helper()
	args, out := small(t, "-norms", "layer", "-lr", "1e-2", "-layers", "2", "-channels", "16", "-steps", "20")
	succeed(t, args)
	dir = filepath.Join(out, "layer-pre-lr0.01-seed1")
	r, err := train.ReadRun(dir)
	require.NoError(t, err)
	return dir, r
}

// tuned returns the flags of runs that start from a checkpoint, and their directory.
func tuned(t *testing.T, init string, more ...string) (args []string, out string) {
	out = filepath.Join(t.TempDir(), "deep", "tuned")
	return append([]string{"-init", init, "-data", textFile(t, verse), "-out", out, "-lr", "1e-3,1e-2",
		"-steps", "4", "-eval-every", "2", "-probe-every", "2", "-batch", "2"}, more...), out
}

// initNotes returns the lines of stderr about the initial weights.
func initNotes(t *testing.T, stderr string) string {
	t.Helper()
	_, rest, ok := strings.Cut(stderr, "\n")
	require.True(t, ok)
	_, rest, ok = strings.Cut(rest, "\n") // the plan is two lines
	require.True(t, ok)
	notes, _, ok := strings.Cut(rest, "timing a few steps")
	require.True(t, ok)
	return notes
}

// TestInitContinues starts from a run's directory and from its file of weights. The first
// validation loss must equal the other run's last, to the bit.
func TestInitContinues(t *testing.T) {
	dir, before := trainedRun(t)
	weights := filepath.Join(dir, "model.safetensors")
	for _, init := range []string{dir, weights} {
		args, out := tuned(t, init, "-norms", "layer")
		stdout, stderr := succeed(t, args)
		require.Equal(t, "the text has the ids of "+weights+", whose vocabulary has 28 characters\n"+
			"the models have 2 layers, 2 heads, 16 channels, a context of 8 and no biases\n"+
			"layer: 15 of 15 tensors from "+weights+"\n", initNotes(t, stderr))
		require.Contains(t, strings.Join(strings.Fields(stdout), " "),
			fmt.Sprintf("Validation loss before the first step: \"layer\" %.3f.", float64(before.Summary.LastVal)))
		records, err := train.ReadRuns(out)
		require.NoError(t, err)
		require.Len(t, records.Runs, 2)
		for _, r := range records.Runs {
			require.Equal(t, before.Summary.LastVal, r.Summary.InitVal)
			require.Equal(t, weights, r.Config.Init)
			require.Len(t, r.Config.InitSHA256, 64)
			require.Equal(t, before.Config.Vocabulary, r.Config.Vocabulary)
		}
	}
}

// TestInitListsWhatEachNormLoads also checks that norms which load the same share a note.
func TestInitFromACheckpointTakesTheOptimizer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	args, out := small(t, "-norms", "layer", "-lr", "1e-2", "-layers", "2", "-channels", "16", "-steps", "100000",
		"-jobs", "1", "-checkpoint-every", "5")
	saved := func() []string {
		found, err := filepath.Glob(filepath.Join(out, "checkpoints", "*", "step*.safetensors"))
		require.NoError(t, err)
		return found
	}
	go func() {
		for len(saved()) == 0 && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	require.Equal(t, cli.Interrupted, run(ctx, args, io.Discard, io.Discard))
	found := saved()
	require.NotEmpty(t, found)
	args, _ = tuned(t, found[0], "-norms", "layer,rms")
	_, stderr := succeed(t, args)
	require.Equal(t, "the text has the ids of "+found[0]+", whose vocabulary has 28 characters\n"+
		"the models have 2 layers, 2 heads, 16 channels, a context of 8 and no biases\n"+
		found[0]+" is a checkpoint: AdamW starts with its moments\n"+
		"layer, rms: 15 of 15 tensors from "+found[0]+"\n", initNotes(t, stderr))
}

func TestInitListsWhatEachNormLoads(t *testing.T) {
	dir, _ := trainedRun(t)
	from := "tensors from " + filepath.Join(dir, "model.safetensors")
	var statistics []string
	for _, norm := range []string{"h.{0..1}.ln_1", "h.{0..1}.ln_2", "ln_f"} {
		for _, tensor := range []string{"num_batches_tracked", "running_mean", "running_var"} {
			statistics = append(statistics, "transformer."+norm+"."+tensor)
		}
	}
	args, out := tuned(t, dir, "-norms", "layer,none,rms,dyt,batch")
	_, stderr := succeed(t, args)
	require.Contains(t, stderr, "\nlayer, rms: 15 of 15 "+from+"\n"+
		"none: 10 of 10 "+from+"; not loaded:\n"+
		"  not in the model: transformer.h.{0..1}.ln_1.weight, transformer.h.{0..1}.ln_2.weight, "+
		"transformer.ln_f.weight\n"+
		"dyt: 15 of 20 "+from+"; not loaded:\n"+
		"  not in the file: transformer.h.{0..1}.ln_1.alpha, transformer.h.{0..1}.ln_2.alpha, "+
		"transformer.ln_f.alpha\n"+
		"batch: 15 of 30 "+from+"; not loaded:\n"+
		"  not in the file: "+strings.Join(statistics, ", ")+"\n"+
		"timing a few steps")
	records, err := train.ReadRuns(out)
	require.NoError(t, err)
	require.Len(t, records.Runs, 10)

	args, _ = tuned(t, dir, "-norms", "layer", "-placement", "pre,post", "-qknorm", "off,on", "-lr", "1e-3")
	_, stderr = succeed(t, args)
	require.Contains(t, stderr, "layer pre qk-norm off: 15 of 15 ")
	require.Contains(t, stderr, "layer post qk-norm off: 14 of 14 "+from+"; not loaded:\n"+
		"  not in the model: transformer.ln_f.weight\n")
	require.Contains(t, stderr, "layer post qk-norm on: 14 of 18 ")
}

// TestFlagsOverrideTheSizesOfInit also checks the notes about the consequences.
func TestFlagsOverrideTheSizesOfInit(t *testing.T) {
	dir, _ := trainedRun(t)
	weights := filepath.Join(dir, "model.safetensors")
	args, out := tuned(t, dir, "-norms", "rms", "-lr", "1e-3", "-layers", "1", "-heads", "4", "-context", "4")
	_, stderr := succeed(t, args)
	require.Contains(t, stderr, "the models have 1 layer, 4 heads, 16 channels, a context of 4 and no biases\n"+
		"the models load the first 4 of the 8 positions of "+weights+", as nanoGPT's crop_block_size does\n"+
		weights+" has 2 attention heads; its weights also load with 4, but the model computes something else\n"+
		"rms: 9 of 9 tensors from "+weights+"; not loaded:\n"+
		"  not in the model: transformer.h.1.attn.c_attn.weight, ")
	r, err := train.ReadRun(filepath.Join(out, "rms-pre-lr0.001-seed1"))
	require.NoError(t, err)
	require.Equal(t, []int{1, 4, 16, 4}, []int{r.Config.Layers, r.Config.Heads, r.Config.Channels, r.Config.Context})

	args, _ = tuned(t, dir, "-norms", "layer", "-lr", "1e-3", "-context", "9")
	_, stderr = succeed(t, args)
	require.NotContains(t, stderr, "crop_block_size")
	require.Contains(t, stderr, "14 of 15 tensors from "+weights+"; not loaded:\n"+
		"  shape (8, 16), want (9, 16): transformer.wpe.weight\n")

	args, out = tuned(t, dir, "-norms", "none", "-channels", "8")
	var stdout, stderrOf bytes.Buffer
	require.Equal(t, cli.Failed, run(context.Background(), args, &stdout, &stderrOf))
	require.Contains(t, stderrOf.String(), "stability: train: "+weights+" has no tensor of a model with the norm none: ")
	require.NoDirExists(t, filepath.Dir(out))
}

// TestInitOfAnotherVocabulary checks that the embedding is not loaded, even if it has the
// model's shape.
func TestInitOfAnotherVocabulary(t *testing.T) {
	dir, before := trainedRun(t)
	weights := filepath.Join(dir, "model.safetensors")
	other := strings.NewReplacer("q", "é", "z", "ß").Replace(verse) // as many characters
	args, out := tuned(t, dir, "-norms", "layer", "-lr", "1e-3", "-data", textFile(t, other))
	_, stderr := succeed(t, args)
	require.Equal(t, "the vocabulary of "+weights+" lacks 2 characters of the text, 'ß', 'é': "+
		"the text keeps its own, and transformer.wte.weight is not loaded\n"+
		"the models have 2 layers, 2 heads, 16 channels, a context of 8 and no biases\n"+
		"layer: 14 of 15 tensors from "+weights+"; not loaded:\n"+
		"  of another vocabulary: transformer.wte.weight\n", initNotes(t, stderr))
	r, err := train.ReadRun(filepath.Join(out, "layer-pre-lr0.001-seed1"))
	require.NoError(t, err)
	require.Equal(t, "transformer.wte.weight", r.Config.InitExcept)
	require.NotEqual(t, before.Config.Vocabulary, r.Config.Vocabulary)

	// The ids of a text with fewer characters are those of the checkpoint.
	args, out = tuned(t, dir, "-norms", "layer", "-lr", "1e-3", "-data", textFile(t, strings.ReplaceAll(verse, "a", "o")))
	_, stderr = succeed(t, args)
	require.Contains(t, stderr, "layer: 15 of 15 tensors")
	r, err = train.ReadRun(filepath.Join(out, "layer-pre-lr0.001-seed1"))
	require.NoError(t, err)
	require.Equal(t, before.Config.Vocabulary, r.Config.Vocabulary)
}

// TestInitOfNanoGPT has a file of weights from PyTorch, without other files beside it.
func TestInitOfNanoGPT(t *testing.T) {
	const file = "../../testdata/checkpoints/nanogpt.safetensors"
	text := strings.Repeat("the cat in the hat. ", 20) // of 9 characters, the model has 11
	args, out := tuned(t, file, "-norms", "layer", "-lr", "1e-3", "-data", textFile(t, text), "-heads", "2")
	_, stderr := succeed(t, args)
	notes := initNotes(t, stderr)
	require.Contains(t, notes, file+" has no vocabulary: assuming that of the text, 9 characters in Unicode order\n")
	require.Contains(t, notes, " 2 heads, 8 channels, a context of 6 and biases\n")
	require.Contains(t, notes, file+" does not say how many attention heads it has: give -heads unless it is 2\n")
	require.Contains(t, notes, "shape (11, 8), want (9, 8): _orig_mod.transformer.wte.weight\n")
	require.Contains(t, notes, "the models have the exact GELU of nanoGPT, not the tanh form of GPT-2\n")
	r, err := train.ReadRun(filepath.Join(out, "layer-pre-lr0.001-seed1"))
	require.NoError(t, err)
	require.Equal(t, string(transformer.Exact), r.Config.GELU)
	m, err := transformer.ReadConfig(filepath.Join(out, "layer-pre-lr0.001-seed1", "model.safetensors"))
	require.NoError(t, err)
	require.Equal(t, transformer.Exact, m.GELU)

	b, err := os.ReadFile(file)
	require.NoError(t, err)
	dir := t.TempDir() // with a config.json that determines heads and GELU
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors"), b, 0o666))
	const config = `{"n_head": 2, "activation_function": "gelu_new"}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o666))
	args, _ = tuned(t, dir, "-norms", "layer", "-lr", "1e-3", "-data", textFile(t, text))
	_, stderr = succeed(t, args)
	require.NotContains(t, stderr, "GELU")
	require.True(t, r.Config.Bias)
}

// TestInitOfParts compares the first validation loss with that of the same weights in one
// file.
func TestInitOfParts(t *testing.T) {
	trained, before := trainedRun(t)
	dir := t.TempDir()
	for from, to := range map[string]string{"model.safetensors": "part.safetensors", "config.json": "config.json"} {
		b, err := os.ReadFile(filepath.Join(trained, from))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, to), b, 0o666))
	}
	const index = `{"weight_map": {"transformer.wte.weight": "part.safetensors"}}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), []byte(index), 0o666))
	args, out := tuned(t, dir, "-norms", "layer", "-lr", "1e-3")
	_, stderr := succeed(t, args)
	require.Contains(t, stderr, "layer: 15 of 15 tensors from "+filepath.Join(dir, "model.safetensors.index.json")+"\n")
	after, err := train.ReadRun(filepath.Join(out, "layer-pre-lr0.001-seed1"))
	require.NoError(t, err)
	require.Equal(t, before.Summary.LastVal, after.Summary.InitVal)
}

// TestInitResumes checks that a grid resumes with the same weights in any directory, and in
// shares, but not with other weights.
func TestInitResumes(t *testing.T) {
	dir, _ := trainedRun(t)
	args, out := tuned(t, dir, "-norms", "layer,batch")
	for _, s := range []string{"2/2", "1/2"} {
		_, stderr := succeed(t, append(args, "-shard", s))
		require.Contains(t, stderr, "share "+s+" is done")
	}
	_, stderr := succeed(t, args)
	require.Contains(t, stderr, "all runs are finished")
	require.NotContains(t, stderr, "tensors")

	moved := filepath.Join(t.TempDir(), "moved")
	require.NoError(t, os.CopyFS(moved, os.DirFS(dir)))
	args[1] = moved
	_, stderr = succeed(t, args)
	require.Contains(t, stderr, "all runs are finished")

	require.NoError(t, os.RemoveAll(moved))
	requireRefusal(t, args, cli.Failed, "stability: checkpoint: ")
	other, _ := trainedRun(t)
	b, err := os.ReadFile(filepath.Join(other, "model.safetensors"))
	require.NoError(t, err)
	b[len(b)/2] ^= 1 // another weight
	require.NoError(t, os.WriteFile(filepath.Join(other, "model.safetensors"), b, 0o666))
	requireRefusal(t, append([]string{"-init", other}, args[2:]...), cli.Failed, "is not the file that was written")
	args[1] = filepath.Join(other, "model.safetensors")
	requireRefusal(t, args, cli.Failed, "belongs to another grid: init-sha256 is ")
	requireRefusal(t, append(args[2:], "-layers", "2", "-heads", "2", "-channels", "16", "-context", "8"), cli.Failed,
		", want not set (give another -out, or remove it)")
	records, err := train.ReadRuns(out)
	require.NoError(t, err)
	require.Len(t, records.Runs, 4)
}

// TestBadInit expects one line of error and no files.
func TestBadInit(t *testing.T) {
	dir, _ := trainedRun(t)
	b, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
	require.NoError(t, err)
	weights := func(b []byte) string {
		path := filepath.Join(t.TempDir(), "model.safetensors")
		require.NoError(t, os.WriteFile(path, b, 0o666))
		return path
	}
	notANumber := bytes.Clone(b)
	binary.LittleEndian.PutUint32(notANumber[len(b)-4:], math.Float32bits(float32(math.NaN())))
	pairs := t.TempDir()
	require.NoError(t, os.CopyFS(pairs, os.DirFS("../../testdata/bpe")))
	require.NoError(t, os.WriteFile(filepath.Join(pairs, "model.safetensors"), b, 0o666))
	for _, c := range []struct {
		name, init string
		status     int
		want       string
	}{
		{"empty", "", cli.Misused, "stability: -init is empty, want a checkpoint (-h explains the flags)\n"},
		{"nowhere", "/no/such/run", cli.Failed, "stability: checkpoint: stat /no/such/run: no such file or directory\n"},
		{"no weights", t.TempDir(), cli.Failed, " has no model.safetensors\n"},
		{"all runs", filepath.Dir(dir), cli.Failed,
			" holds several models, give the directory of one: layer-pre-lr0.01-seed1/\n"},
		{"text", weights([]byte("a text, not a file of weights")), cli.Failed,
			"model.safetensors is not a safetensors file: its header should have 2318355968635969633 bytes"},
		{"cut off", weights(b[:len(b)-1]), cli.Failed,
			"model.safetensors is not a safetensors file: transformer.wte.weight is at bytes "},
		{"NaN", weights(notANumber), cli.Failed, "holds NaN or infinity, 1 in all"},
		{"byte pairs", pairs, cli.Failed, "stability: " + filepath.Join(pairs, "model.safetensors") +
			" has a vocabulary of byte pairs, want one of characters\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args, out := tuned(t, c.init)
			requireRefusal(t, args, c.status, c.want)
			require.NoDirExists(t, filepath.Dir(out))
		})
	}
}

// TestInitOfADamagedRun expects an error with the reason for the directory, but none for its
// file of weights.
func TestInitOfADamagedRun(t *testing.T) {
	whole, _ := trainedRun(t)
	for _, c := range []struct{ name, file, text, want string }{
		{"config of {}", "config.json", "{}", "config.json: batch is missing (give "},
		{"config empty", "config.json", "", "config.json: unexpected end of JSON input"},
		{"config gone", "config.json", "gone", "config.json: no such file or directory (give "},
		{"metrics gone", "metrics.jsonl", "gone", "metrics.jsonl: no such file or directory (give "},
		{"summary of {}", "summary.json", "{}", "summary.json: best_val is missing (give "},
		{"weights gone", "model.safetensors", "gone", " has no model.safetensors\n"},
		{"weights empty", "model.safetensors", "", "model.safetensors is not a safetensors file: it has 0 bytes"},
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
			args, out := tuned(t, dir, "-norms", "layer", "-lr", "1e-3")
			requireRefusal(t, args, cli.Failed, c.want)
			require.NoDirExists(t, filepath.Dir(out))
			if strings.HasSuffix(c.want, "(give ") {
				args, _ = tuned(t, filepath.Join(dir, "model.safetensors"), "-norms", "layer", "-lr", "1e-3")
				_, stderr := succeed(t, args)
				require.Contains(t, stderr, "layer: 15 of 15 tensors from ")
			}
		})
	}
}
