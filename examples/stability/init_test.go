package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

// trainedRun is the directory of a run that was trained before, of two blocks.
func trainedRun(t *testing.T) (dir string, r runlog.Run) {
	t.Helper()
	args, out := small(t, "-norms", "layer", "-lr", "1e-2", "-layers", "2", "-channels", "16", "-steps", "20")
	succeed(t, args)
	dir = filepath.Join(out, "layer-pre-lr0.01-seed1")
	r, err := train.ReadRun(dir)
	require.NoError(t, err)
	return dir, r
}

// tuned are flags of runs that start from a checkpoint, with its sizes.
func tuned(t *testing.T, init string, more ...string) (args []string, out string) {
	out = filepath.Join(t.TempDir(), "deep", "tuned")
	return append([]string{"-init", init, "-data", textFile(t, verse), "-out", out, "-steps", "4", "-eval-every", "2", "-probe-every", "2", "-lr", "1e-3,1e-2",
		"-batch", "2"}, more...), out
}

// lines are those of stderr that tell of the start.
func lines(t *testing.T, stderr string) string {
	t.Helper()
	_, rest, ok := strings.Cut(stderr, "\n")
	require.True(t, ok)
	_, rest, ok = strings.Cut(rest, "\n") // the plan is two lines
	require.True(t, ok)
	told, _, ok := strings.Cut(rest, "a few steps")
	require.True(t, ok)
	return told
}

// TestInitGoesOn: by directory and by file, the first validation loss is to the bit
// the other run's last.
func TestInitGoesOn(t *testing.T) {
	dir, before := trainedRun(t)
	weights := filepath.Join(dir, "model.safetensors")
	for _, init := range []string{dir, weights} {
		args, out := tuned(t, init, "-norms", "layer")
		stdout, stderr := succeed(t, args)
		require.Equal(t, "the text's characters have the ids of "+weights+", whose vocabulary has 28\n"+
			"the models have 2 layers, 2 heads, 16 channels, a context of 8 and no biases\n"+
			"layer: 15 of 15 tensors from "+weights+"\n", lines(t, stderr))
		require.Contains(t, stdout, fmt.Sprintf("\nbefore the first step: \"layer\" %.3f.", float64(before.Summary.LastVal)))
		runs, _, err := train.ReadRuns(out)
		require.NoError(t, err)
		require.Len(t, runs, 2)
		for _, r := range runs {
			require.Equal(t, before.Summary.LastVal, r.Summary.InitVal)
			require.Equal(t, weights, r.Config.Init)
			require.Len(t, r.Config.InitSHA256, 64)
			require.Equal(t, before.Config.Vocabulary, r.Config.Vocabulary)
		}
	}
}

// TestInitSaysWhatEachNormTakes and what is left, kinds with the same answer together.
func TestInitSaysWhatEachNormTakes(t *testing.T) {
	dir, _ := trainedRun(t)
	from := "tensors from " + filepath.Join(dir, "model.safetensors")
	args, out := tuned(t, dir, "-norms", "layer,none,rms,dyt,batch")
	_, stderr := succeed(t, args)
	require.Contains(t, stderr, "\nlayer, rms: 15 of 15 "+from+"\n"+
		"none: 10 of 10 "+from+"; not loaded:\n"+
		"  not in the model: transformer.h.{0..1}.ln_1.weight, transformer.h.{0..1}.ln_2.weight, transformer.ln_f.weight\n"+
		"dyt: 15 of 20 "+from+"; not loaded:\n"+
		"  not in the file: transformer.h.{0..1}.ln_1.alpha, transformer.h.{0..1}.ln_2.alpha, transformer.ln_f.alpha\n"+
		"batch: 15 of 30 "+from+"; not loaded:\n"+
		"  not in the file: transformer.h.{0..1}.ln_1.num_batches_tracked, transformer.h.{0..1}.ln_1.running_mean, transformer.h.{0..1}.ln_1.running_var, "+
		"transformer.h.{0..1}.ln_2.num_batches_tracked, transformer.h.{0..1}.ln_2.running_mean, transformer.h.{0..1}.ln_2.running_var, "+
		"transformer.ln_f.num_batches_tracked, transformer.ln_f.running_mean, transformer.ln_f.running_var\n"+
		"a few steps")
	runs, _, err := train.ReadRuns(out)
	require.NoError(t, err)
	require.Len(t, runs, 10)

	args, _ = tuned(t, dir, "-norms", "layer", "-placement", "pre,post", "-qknorm", "off,on", "-lr", "1e-3")
	_, stderr = succeed(t, args)
	require.Contains(t, stderr, "layer pre qk-norm off: 15 of 15 ")
	require.Contains(t, stderr, "layer post qk-norm off: 14 of 14 "+from+"; not loaded:\n  not in the model: transformer.ln_f.weight\n")
	require.Contains(t, stderr, "layer post qk-norm on: 14 of 18 ")
}

// TestGivenSizesWin over the checkpoint's.
func TestGivenSizesWin(t *testing.T) {
	dir, _ := trainedRun(t)
	weights := filepath.Join(dir, "model.safetensors")
	args, out := tuned(t, dir, "-norms", "rms", "-lr", "1e-3", "-layers", "1", "-heads", "4", "-context", "4")
	_, stderr := succeed(t, args)
	require.Contains(t, stderr, "the models have 1 layer, 4 heads, 16 channels, a context of 4 and no biases\n"+
		"of the 8 positions of "+weights+" they take the first 4, as nanoGPT's crop_block_size does\n"+
		weights+" has 2 heads of attention, whose weights fit 4, too, and mean something else there\n"+
		"rms: 9 of 9 tensors from "+weights+"; not loaded:\n"+
		"  not in the model: transformer.h.1.attn.c_attn.weight, ")
	r, err := train.ReadRun(filepath.Join(out, "rms-pre-lr0.001-seed1"))
	require.NoError(t, err)
	require.Equal(t, []int{1, 4, 16, 4}, []int{r.Config.Layers, r.Config.Heads, r.Config.Channels, r.Config.Context})

	args, _ = tuned(t, dir, "-norms", "layer", "-lr", "1e-3", "-context", "9")
	_, stderr = succeed(t, args)
	require.NotContains(t, stderr, "crop_block_size")
	require.Contains(t, stderr, "14 of 15 tensors from "+weights+"; not loaded:\n  shape (8, 16), want (9, 16): transformer.wpe.weight\n")

	args, out = tuned(t, dir, "-norms", "none", "-channels", "8")
	var stdout, stderrOf bytes.Buffer
	require.Equal(t, cli.Failed, run(context.Background(), args, &stdout, &stderrOf))
	require.Contains(t, stderrOf.String(), "stability: train: "+weights+" has nothing in common with a model under none: ")
	require.NoDirExists(t, filepath.Dir(out))
}

// TestInitOfAnotherVocabulary: the embedding is not loaded, even where its shape is the
// model's.
func TestInitOfAnotherVocabulary(t *testing.T) {
	dir, before := trainedRun(t)
	weights := filepath.Join(dir, "model.safetensors")
	other := strings.NewReplacer("q", "é", "z", "ß").Replace(verse) // as many characters
	args, out := tuned(t, dir, "-norms", "layer", "-lr", "1e-3", "-data", textFile(t, other))
	_, stderr := succeed(t, args)
	require.Equal(t, "the vocabulary of "+weights+" lacks 2 characters of the text, 'ß', 'é': the text has its own, and transformer.wte.weight, which is by the other, is not loaded\n"+
		"the models have 2 layers, 2 heads, 16 channels, a context of 8 and no biases\n"+
		"layer: 14 of 15 tensors from "+weights+"; not loaded:\n"+
		"  of another vocabulary: transformer.wte.weight\n", lines(t, stderr))
	r, err := train.ReadRun(filepath.Join(out, "layer-pre-lr0.001-seed1"))
	require.NoError(t, err)
	require.Equal(t, "transformer.wte.weight", r.Config.InitExcept)
	require.NotEqual(t, before.Config.Vocabulary, r.Config.Vocabulary)

	// a text of fewer characters has the ids that they had
	args, out = tuned(t, dir, "-norms", "layer", "-lr", "1e-3", "-data", textFile(t, strings.ReplaceAll(verse, "a", "o")))
	_, stderr = succeed(t, args)
	require.Contains(t, stderr, "layer: 15 of 15 tensors")
	r, err = train.ReadRun(filepath.Join(out, "layer-pre-lr0.001-seed1"))
	require.NoError(t, err)
	require.Equal(t, before.Config.Vocabulary, r.Config.Vocabulary)
}

// TestInitOfNanoGPT, without anything beside the weights and of PyTorch's making.
func TestInitOfNanoGPT(t *testing.T) {
	const file = "../../testdata/checkpoints/nanogpt.safetensors"
	text := strings.Repeat("the cat in the hat. ", 20) // of 9 characters, the model has 11
	args, out := tuned(t, file, "-norms", "layer", "-lr", "1e-3", "-data", textFile(t, text), "-heads", "2")
	_, stderr := succeed(t, args)
	told := lines(t, stderr)
	require.Contains(t, told, file+" comes without a vocabulary: that of the text, 9 characters in Unicode's order, is taken to be the same\n")
	require.Contains(t, told, " 2 heads, 8 channels, a context of 6 and biases\n")
	require.Contains(t, told, file+" does not say how many heads its attention has; if it is not 2, give -heads\n")
	require.Contains(t, told, "shape (11, 8), want (9, 8): _orig_mod.transformer.wte.weight\n")
	require.Contains(t, told, "their GELU is exact, as nanoGPT has it, and not GPT-2's\n")
	r, err := train.ReadRun(filepath.Join(out, "layer-pre-lr0.001-seed1"))
	require.NoError(t, err)
	require.Equal(t, string(transformer.Exact), r.Config.GELU)
	m, err := transformer.ReadConfig(filepath.Join(out, "layer-pre-lr0.001-seed1", "model.safetensors"))
	require.NoError(t, err)
	require.Equal(t, transformer.Exact, m.GELU)

	b, err := os.ReadFile(file)
	require.NoError(t, err)
	dir := t.TempDir() // with what its config.json says instead
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors"), b, 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "config.json"), []byte(`{"n_head": 2, "activation_function": "gelu_new"}`), 0o666))
	args, _ = tuned(t, dir, "-norms", "layer", "-lr", "1e-3", "-data", textFile(t, text))
	_, stderr = succeed(t, args)
	require.NotContains(t, stderr, "GELU")
	require.True(t, r.Config.Bias)
}

// TestInitOfParts: the first validation loss is that of the same weights in one file.
func TestInitOfParts(t *testing.T) {
	trained, before := trainedRun(t)
	dir := t.TempDir()
	for from, to := range map[string]string{"model.safetensors": "part.safetensors", "config.json": "config.json"} {
		b, err := os.ReadFile(filepath.Join(trained, from))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, to), b, 0o666))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), []byte(`{"weight_map": {"transformer.wte.weight": "part.safetensors"}}`), 0o666))
	args, out := tuned(t, dir, "-norms", "layer", "-lr", "1e-3")
	_, stderr := succeed(t, args)
	require.Contains(t, stderr, "layer: 15 of 15 tensors from "+filepath.Join(dir, "model.safetensors.index.json")+"\n")
	after, err := train.ReadRun(filepath.Join(out, "layer-pre-lr0.001-seed1"))
	require.NoError(t, err)
	require.Equal(t, before.Summary.LastVal, after.Summary.InitVal)
}

// TestInitResumes: by the same weights wherever they lie, in shares, and by no others.
func TestInitResumes(t *testing.T) {
	dir, _ := trainedRun(t)
	args, out := tuned(t, dir, "-norms", "layer,batch")
	for _, s := range []string{"2/2", "1/2"} {
		_, stderr := succeed(t, append(args, "-shard", s))
		require.Contains(t, stderr, "share "+s+" is done")
	}
	_, stderr := succeed(t, args)
	require.Contains(t, stderr, "all are finished already")
	require.NotContains(t, stderr, "tensors")

	moved := filepath.Join(t.TempDir(), "moved")
	require.NoError(t, os.CopyFS(moved, os.DirFS(dir)))
	args[1] = moved
	_, stderr = succeed(t, args)
	require.Contains(t, stderr, "all are finished already")

	require.NoError(t, os.RemoveAll(moved))
	requireRefusal(t, args, cli.Failed, "stability: checkpoint: ")
	other, _ := trainedRun(t)
	b, err := os.ReadFile(filepath.Join(other, "model.safetensors"))
	require.NoError(t, err)
	b[len(b)/2] ^= 1 // another weight
	require.NoError(t, os.WriteFile(filepath.Join(other, "model.safetensors"), b, 0o666))
	args[1] = other
	requireRefusal(t, args, cli.Failed, "is a run of another grid: init-sha256 is ")
	requireRefusal(t, append(args[2:], "-layers", "2", "-heads", "2", "-channels", "16", "-context", "8"), cli.Failed, ", want not set (give another -out, or remove it)")
	runs, _, err := train.ReadRuns(out)
	require.NoError(t, err)
	require.Len(t, runs, 4)
}

// TestBadInit: one clear line, and nothing written.
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
		{"all runs", filepath.Dir(dir), cli.Failed, " holds several models, give the directory of one: layer-pre-lr0.01-seed1/\n"},
		{"text", weights([]byte("a text, not a file of weights")), cli.Failed, "model.safetensors is not a safetensors file: its header should have 2318355968635969633 bytes"},
		{"cut off", weights(b[:len(b)-1]), cli.Failed, "model.safetensors is not a safetensors file: transformer.wte.weight is at bytes "},
		{"NaN", weights(notANumber), cli.Failed, "holds NaN or infinity, 1 in all"},
		{"byte pairs", pairs, cli.Failed, "stability: " + filepath.Join(pairs, "model.safetensors") + " has a vocabulary of byte pairs, and this program trains models of characters\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args, out := tuned(t, c.init)
			requireRefusal(t, args, c.status, c.want)
			require.NoDirExists(t, filepath.Dir(out))
		})
	}
}

// TestInitOfADamagedRun by its directory is refused with the reason; its weights alone
// are what their file says.
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
