package lab

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/runlog"
	"gorgonorm/train"
)

// edited replaces a text in a file of a run.
func edited(file, old, new string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		path := filepath.Join(dir, file)
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(b), old)
		require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(b), old, new, 1)), 0o666))
	}
}

// filled replaces the content of a file.
func filled(file, text string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o666))
	}
}

// removed removes files.
func removed(files ...string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		for _, f := range files {
			require.NoError(t, os.Remove(filepath.Join(dir, f)))
		}
	}
}

// cut truncates a file by a number of bytes.
func cut(file string, bytes int64) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		path := filepath.Join(dir, file)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.NoError(t, os.Truncate(path, info.Size()-bytes))
	}
}

// withoutLine removes a line of a file, counted from 1.
func withoutLine(file string, n int) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		path := filepath.Join(dir, file)
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		lines := bytes.SplitAfter(b, []byte("\n"))
		require.NoError(t, os.WriteFile(path, bytes.Join(append(lines[:n-1:n-1], lines[n:]...), nil), 0o666))
	}
}

// rewritten changes a run's steps.
func rewritten(t *testing.T, dir string, change func([]runlog.Step)) {
	t.Helper()
	path := filepath.Join(dir, metricsFile)
	r, err := train.ReadRun(dir)
	require.NoError(t, err)
	change(r.Steps)
	var lines bytes.Buffer
	for _, s := range r.Steps {
		require.NoError(t, json.NewEncoder(&lines).Encode(s))
	}
	require.NoError(t, os.WriteFile(path, lines.Bytes(), 0o666))
}

// TestADamagedRunIsRunAgain damages the directory of a run in many ways. Every reader must
// report the reason and still read the other run, and the lab must train the run again to
// the same files.
func TestADamagedRunIsRunAgain(t *testing.T) {
	text := corpus(t, verse)
	g := grid(4)
	g.Placements, g.QKNorms, g.LRs, g.Seeds = g.Placements[:1], g.QKNorms[:1], g.LRs[:1], 1
	g.Norms = []string{"layer", "rms"} // whose tensors have the same names and shapes
	g.Base.Layers, g.Base.EvalBatches = 1, 1
	cs := g.Configs()
	whole := Lab{Text: text, Dir: t.TempDir(), Jobs: 1}
	require.NoError(t, whole.Run(t.Context(), cs))
	want := files(t, whole.Dir)
	other := filepath.Join(whole.Dir, cs[1].ID())
	of := func(files ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			for _, f := range files {
				b, err := os.ReadFile(filepath.Join(other, f))
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(dir, f), b, 0o666))
			}
		}
	}
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string)
		want   string
	}{
		"summary of {}": {filled(summaryFile, "{}"), "summary.json: best_val is missing"},
		"summary empty": {filled(summaryFile, ""), "summary.json: it is truncated"},
		"summary null":  {filled(summaryFile, "null"), "summary.json: best_val is missing"},
		"summary a list": {
			filled(summaryFile, "[]"),
			"summary.json: json: cannot unmarshal array into Go value of type runlog.sealed"},
		"summary cut":  {cut(summaryFile, 3), "summary.json: it is truncated"},
		"summary gone": {removed(summaryFile), "open summary.json: no such file or directory"},
		"summary with more": {
			edited(summaryFile, "\n}\n", "\n}\n{}"),
			"summary.json: it has data after the JSON value"},
		"summary with garbage": {
			edited(summaryFile, "\n}\n", "\n}\n\x00\x00"),
			"summary.json: it has data after the JSON value"},
		"summary of another loss": {
			edited(summaryFile, `"last_loss": `, `"last_loss": 1`),
			"summary.json: last_loss is 1"},
		"summary of another validation": {
			edited(summaryFile, `"last_val": `, `"last_val": 1`),
			"summary.json: last_val is 1"},
		"summary of no steps": {
			edited(summaryFile, `"steps": 4`, `"steps": 0`),
			"metrics.jsonl has 4 steps, summary.json says 0"},
		"summary of a null": {
			edited(summaryFile,
				`"parameters": `, `"parameters": null, "x": `), `summary.json: json: unknown field "x"`},
		"summary of another run": {of(summaryFile), `summary.json has the norm "rms", config.json "layer"`},
		"summary without parameters": {
			edited(summaryFile, `"parameters"`, `"interrupted": false, "Parameters"`),
			"summary.json: parameters is missing"},
		"config of {}": {filled(configFile, "{}"), "config.json: batch is missing"},
		"config empty": {filled(configFile, ""), "config.json: it is truncated"},
		"config gone":  {removed(configFile), "open config.json: no such file or directory"},
		"config of an unknown": {
			edited(configFile,
				`"lr":`, `"dropout": 0.1, "lr":`), `config.json: json: unknown field "dropout"`},
		"config of null": {
			edited(configFile, `"eval_every": 2`, `"eval_every": null`),
			"config.json: eval_every is missing"},
		"config of another run": {of(configFile), `summary.json has the norm "layer", config.json "rms"`},
		"config of a directory": {func(t *testing.T, dir string) {
			removed(configFile)(t, dir)
			require.NoError(t, os.Mkdir(filepath.Join(dir, configFile), 0o777))
		}, "config.json is a directory, want a regular file"},
		"metrics gone":             {removed(metricsFile), "open metrics.jsonl: no such file or directory"},
		"metrics empty":            {filled(metricsFile, ""), "metrics.jsonl has 0 steps, summary.json says 4"},
		"metrics cut in a line":    {cut(metricsFile, 5), "metrics.jsonl, line 4: it is truncated"},
		"metrics cut after a line": {withoutLine(metricsFile, 4), "metrics.jsonl has 3 steps, summary.json says 4"},
		"metrics of {}": {
			edited(metricsFile, "{", "{}\n{"),
			"metrics.jsonl, line 1: grad_norm is missing"},
		"metrics of an empty line": {edited(metricsFile, "{", "\n{"), "metrics.jsonl, line 1: it is truncated"},
		"metrics of a null": {
			edited(metricsFile, `"lr":`, `"lr":null,"LR":`),
			"metrics.jsonl, line 1: null is not a number"},
		"metrics without a loss": {
			edited(metricsFile, `"loss":`, `"Loss":`),
			"metrics.jsonl, line 1: loss is missing"},
		"metrics of no number": {
			edited(metricsFile,
				`"loss":`, `"loss":"x`+"\",\"lr\":"), `metrics.jsonl, line 1: "x" is not a number`},
		"metrics of a step twice": {
			edited(metricsFile, `"step":2`, `"step":1`),
			"metrics.jsonl, line 2: step is 1, want 2"},
		"metrics out of order": {
			edited(metricsFile, `"step":1`, `"step":2`),
			"metrics.jsonl, line 1: step is 2, want 1"},
		"metrics two in a line": {
			edited(metricsFile, "}\n", "}"),
			"metrics.jsonl, line 1: it has data after the JSON value"},
		"metrics with zeros": {
			edited(metricsFile, "{\"step\":4", "\x00\x00\x00\x00"),
			"metrics.jsonl, line 4: invalid character '\\x00' looking for beginning of value"},
		"metrics without an evaluation": {func(t *testing.T, dir string) {
			rewritten(t, dir, func(steps []runlog.Step) { steps[1].ValLoss = nil })
		}, "metrics.jsonl, line 2: val_loss is missing"},
		"metrics with an evaluation more": {func(t *testing.T, dir string) {
			rewritten(t, dir, func(steps []runlog.Step) { steps[2].ValLoss = steps[1].ValLoss })
		}, "metrics.jsonl, line 3: val_loss is set, but config.json does not evaluate at this step"},
		"metrics of another run": {of(metricsFile), "summary.json: first_loss is "},
		"run of fewer steps": {func(t *testing.T, dir string) {
			withoutLine(metricsFile, 4)(t, dir)
			edited(summaryFile, `"steps": 4`, `"steps": 3`)(t, dir)
		}, "metrics.jsonl has 3 steps, config.json says 4"},
		"run that cannot be stopped": {func(t *testing.T, dir string) {
			withoutLine(metricsFile, 4)(t, dir)
			edited(summaryFile, `"steps": 4`, `"stopped": true, "steps": 3`)(t, dir)
		}, "metrics.jsonl has 3 steps, config.json says 4"},
		"probes gone":             {removed(probesFile), "open probes.jsonl: no such file or directory"},
		"probes empty":            {filled(probesFile, ""), "probes.jsonl has 0 probes, want 3"},
		"probes cut in a line":    {cut(probesFile, 2), "probes.jsonl, line 3: it is truncated"},
		"probes cut after a line": {withoutLine(probesFile, 3), "probes.jsonl has 2 probes, want 3"},
		"probes of another step": {
			edited(probesFile, `"step":2`, `"step":3`),
			"probes.jsonl, line 2: step is 3, want 2"},
		"probes of nothing": {
			edited(probesFile, `"rms":`, `"Rms":`),
			"probes.jsonl, line 1: residual.0.rms is missing"},
		"probes of another value": {
			edited(probesFile, `"rms":0.`, `"rms":1.`), "probes.jsonl is not the file that was written: it has "},
		"metrics of another value": {
			edited(metricsFile, `"grad_norm":`, `"grad_norm":1`), "metrics.jsonl is not the file that was written: it has "},
		"summary of another measure": {
			edited(summaryFile, `"max_grad_norm": `, `"max_grad_norm": 1`), "summary.json is not the file that was written: "},
		"summary of another file": {
			edited(summaryFile, `"metrics.jsonl": {`, `"../x": {`), `summary.json has an unknown file "../x"`},
		"config of another path": {
			edited(configFile, `"data": "`, `"data": "/x`), "config.json is not the file that was written: it has "},
		"weights of another bit": {
			func(t *testing.T, dir string) {
				path := filepath.Join(dir, weightsFile)
				b, err := os.ReadFile(path)
				require.NoError(t, err)
				b[len(b)/2] ^= 1
				require.NoError(t, os.WriteFile(path, b, 0o666))
			}, "model.safetensors is not the file that was written: it has "},
		"weights as a pipe": {
			func(t *testing.T, dir string) {
				path := filepath.Join(dir, weightsFile)
				require.NoError(t, os.Remove(path))
				require.NoError(t, syscall.Mkfifo(path, 0o666))
			}, "model.safetensors is a pipe, want a regular file"},
		"metrics as a device": {
			func(t *testing.T, dir string) {
				path := filepath.Join(dir, metricsFile)
				require.NoError(t, os.Remove(path))
				require.NoError(t, os.Symlink("/dev/zero", path))
			}, "metrics.jsonl is a device, want a regular file"},
		"metrics without end": {
			func(t *testing.T, dir string) {
				require.NoError(t, os.Truncate(filepath.Join(dir, metricsFile), 3<<30))
			}, "metrics.jsonl, line 5: it has more than 16777216 bytes"},
		"speed without end": {
			func(t *testing.T, dir string) {
				require.NoError(t, os.Truncate(filepath.Join(dir, speedFile), 3<<30))
			}, "speed.json has 3221225472 bytes, want at most 268435456"},
		"speed gone":  {removed(speedFile), "open speed.json: no such file or directory"},
		"speed of {}": {filled(speedFile, "{}"), "speed.json: seconds is missing"},
		"weights gone": {
			removed(weightsFile),
			"transformer: open model.safetensors: no such file or directory"},
		"weights empty": {
			filled(weightsFile, ""),
			"transformer: model.safetensors is not a safetensors file: it has 0 bytes"},
		"weights cut": {
			cut(weightsFile, 1),
			"transformer: model.safetensors is not a safetensors file: transformer.wte.weight is at bytes "},
		"weights with more": {
			cut(weightsFile, -1),
			"transformer: model.safetensors is not a safetensors file: 1 bytes follow the last tensor"},
		"weights of another run": {
			of(weightsFile),
			`transformer: cannot load model.safetensors: its metadata has norm "rms", want "layer"`},
		"weights of another name": {
			edited(weightsFile, "transformer.ln_f.weight", "transformer.ln_g.weight"),
			"transformer: cannot load model.safetensors: transformer.ln_f.weight is missing; " +
				"transformer.ln_g.weight is unexpected"},
		"empty directory": {
			removed(configFile, metricsFile, probesFile, weightsFile, speedFile, summaryFile),
			"open config.json: no such file or directory"},
		"a file": {func(t *testing.T, dir string) {
			require.NoError(t, os.RemoveAll(dir))
			require.NoError(t, os.WriteFile(dir, nil, 0o666))
		}, "open config.json: not a directory"},
		"another run": {
			of(configFile, metricsFile, probesFile, weightsFile, speedFile, summaryFile),
			"config.json belongs to another run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := Lab{Text: text, Dir: t.TempDir(), Jobs: 1}
			require.NoError(t, os.CopyFS(lab.Dir, os.DirFS(whole.Dir)))
			dir := lab.path(cs[0])
			c.damage(t, dir)
			records, err := train.ReadRuns(lab.Dir)
			require.NoError(t, err)
			pending, redone, err := lab.Pending(cs)
			require.NoError(t, err)
			require.Len(t, records.Runs, 1)
			require.Equal(t, "rms", records.Runs[0].Config.Norm)
			require.Len(t, records.Broken, 1)
			require.Equal(t, cs[0].ID(), records.Broken[0].Name)
			require.Contains(t, records.Broken[0].Reason, c.want)
			require.Equal(t, cs[:1], pending)
			require.Len(t, redone, 1)
			require.Contains(t, redone[0].Reason, c.want)
			require.NotContains(t, redone[0].Reason, lab.Dir)
			if name != "another run" {
				_, err := train.ReadRun(dir)
				require.ErrorContains(t, err, filepath.Base(dir))
			}
			require.NoError(t, lab.Run(t.Context(), pending))
			require.Equal(t, want, files(t, lab.Dir))
			left, err := filepath.Glob(filepath.Join(lab.Dir, ".*"))
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// TestARunThatContradictsItsConfig has a valid JSON config that does not fit the other files.
// Such a run belongs to another grid, so the lab does not train it again.
func TestARunThatContradictsItsConfig(t *testing.T) {
	text := corpus(t, verse)
	cs := grid(4).Configs()[:1]
	whole := Lab{Text: text, Dir: t.TempDir(), Jobs: 1}
	require.NoError(t, whole.Run(t.Context(), cs))
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string)
		want   string
	}{
		"config out of range": {
			edited(configFile, `"eval_every": 2`, `"eval_every": 0`),
			"config.json: train: eval-every is 0, want 1 or more"},
		"config of no model": {
			edited(configFile, `"heads": 2`, `"heads": -2`),
			"config.json: transformer: heads is -2, want 1 or more"},
		"run of more steps": {
			edited(configFile, `"steps": 4`, `"steps": 3`),
			"metrics.jsonl has 4 steps, config.json says 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := Lab{Text: text, Dir: t.TempDir(), Jobs: 1}
			require.NoError(t, os.CopyFS(lab.Dir, os.DirFS(whole.Dir)))
			c.damage(t, lab.path(cs[0]))
			_, err := train.ReadRun(lab.path(cs[0]))
			require.ErrorContains(t, err, filepath.Base(lab.path(cs[0])))
			records, err := train.ReadRuns(lab.Dir)
			require.NoError(t, err)
			require.Equal(t, []runlog.Broken{{Name: cs[0].ID(), Reason: c.want}}, records.Broken)
			_, _, err = lab.Pending(cs)
			require.ErrorContains(t, err, "belongs to another grid")
		})
	}
}
