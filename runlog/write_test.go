package train

import (
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"

	"gorgonorm/models/transformer"
)

func TestRunsAreReadBackAsWritten(t *testing.T) {
	val := Float(2.25)
	c := tiny("layer")
	c.Vocabulary, c.Steps, c.EvalEvery, c.ProbeEvery = "abc\n\"é", 3, 2, 10
	run := Run{
		Config: c,
		Steps: []Step{
			{Step: 1, Loss: 3.5, GradNorm: 0.1, LR: 1e-3},
			{Step: 2, Loss: Float(math.Inf(1)), GradNorm: Float(math.Inf(-1)), LR: 2e-3, ValLoss: &val},
		},
		Probes: []Probe{{
			Step: 1, Residual: []Spread{{RMS: 1, Max: 2}}, Attention: []Float{inf}, Logits: Moments{Mean: 1, Std: 2}, LogZ: Moments{Mean: 3},
			Norms:  []NormProbe{{Name: "ln_f", In: Spread{RMS: 3}, Drift: &Drift{Shift: 1}, Batch: &Batch{Var: 1}}, {Name: "ln_1"}},
			Groups: []GroupProbe{{Name: "wte", Grad: 1, Weight: 2, Update: 3}},
		}},
		Speed:   Speed{TokensPerSec: 3, Seconds: 4},
		Summary: Summary{Norm: "layer", Steps: 2, FirstLoss: 3.5, LastLoss: inf, LastVal: val, DivergedAt: 2, MaxGradNorm: inf, Interrupted: true},
	}
	mc, err := c.model(&Corpus{Vocabulary: []rune(c.Vocabulary)})
	require.NoError(t, err)
	m, err := transformer.New(G.NewGraph(), mc)
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), "runs", "layer")
	for range 2 { // a second run replaces the first
		require.NoError(t, WriteRun(dir, run, m))
		got, err := ReadRun(dir)
		require.NoError(t, err)
		require.Equal(t, run, got)
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	require.Equal(t, []string{"config.json", "metrics.jsonl", "model.safetensors", "probes.jsonl", "speed.json", "summary.json"}, names)
}

func TestNaNIsReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nan.json")
	require.NoError(t, WriteFile(path, indented(Summary{BestVal: Float(math.NaN())})))
	var s Summary
	require.NoError(t, readJSON(path, &s))
	require.True(t, math.IsNaN(float64(s.BestVal)))
}

func TestAFileThatCannotBeFinishedIsNotThere(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o666))
	broken := errors.New("broken")
	err := WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(make([]byte, 1<<16))
		return errors.Join(err, broken)
	})
	require.ErrorIs(t, err, broken)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "old", string(b))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Error(t, WriteFile(filepath.Join(dir, "missing", "f"), indented(1)))
}
