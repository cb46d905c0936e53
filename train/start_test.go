package train

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"

	"gorgonorm/layers"
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// saved trains a run and returns the path of its weights.
func saved(t *testing.T, c Config, text *Corpus) (path string, m *transformer.Model, r Run) {
	t.Helper()
	m, r, err := Train(t.Context(), c, text, nil)
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, runlog.WriteFile(path, m.Save))
	return path, m, r
}

func from(t *testing.T, c Config, path, except string) Config {
	t.Helper()
	c, err := StartFrom(c, path, except)
	require.NoError(t, err)
	return c
}

// written returns a summary's text, which unlike NaN equals itself.
func written(t *testing.T, s runlog.Summary) string {
	t.Helper()
	b, err := json.Marshal(s)
	require.NoError(t, err)
	return string(b)
}

func requireState(t *testing.T, want, got layers.State, names ...string) {
	t.Helper()
	require.NotEmpty(t, names)
	for _, name := range names {
		require.Equal(t, want[name].Data(), got[name].Data(), name)
	}
}

func names(s layers.State) (names []string) {
	for name := range s {
		names = append(names, name)
	}
	return names
}

// TestARunStartsFromAnother has the same norm and text. The validation loss before the first
// step must equal the other run's last, to the bit.
func TestARunStartsFromAnother(t *testing.T) {
	text := corpus(t, verse)
	for i, n := range transformer.Norms {
		t.Run(n.Name, func(t *testing.T) {
			c := tiny(n.Name)
			c.Placement, c.QKNorm = string(transformer.Placements[i%len(transformer.Placements)]), i%2 == 1
			path, first, one := saved(t, c, text)
			c.Seed, c.Steps = 9, 20
			c = from(t, c, path, "")
			start, found, err := InitialModel(c, text)
			require.NoError(t, err)
			require.Empty(t, found.Left)
			require.ElementsMatch(t, names(first.State()), found.Loaded)
			requireState(t, first.State(), start.State(), found.Loaded...)

			_, two, err := Train(t.Context(), c, text, nil)
			require.NoError(t, err)
			require.Equal(t, one.Summary.LastVal, two.Summary.InitVal)
			require.Equal(t, path, two.Config.Init)
			require.Zero(t, two.Summary.DivergedAt, "it need not improve on its start")
			_, again, err := Train(t.Context(), c, text, nil)
			require.NoError(t, err)
			require.Equal(t, written(t, two.Summary), written(t, again.Summary))
		})
	}
}

// TestANormLoadsWhatFits also checks that the other tensors are initialized as usual.
func TestANormLoadsWhatFits(t *testing.T) {
	text := corpus(t, verse)
	path, first, _ := saved(t, tiny("layer"), text)
	norms := func(kind string) (names []string) {
		for _, place := range []string{"h.{0..1}.ln_1", "h.{0..1}.ln_2", "ln_f"} {
			names = append(names, "transformer."+place+"."+kind)
		}
		return names
	}
	all := func(names []string, what string) (left transformer.Faults) {
		for _, n := range names {
			left = append(left, transformer.Fault{Name: n, Reason: what})
		}
		return left
	}
	for norm, left := range map[string]transformer.Faults{
		"rms":  nil,
		"none": all(norms("weight"), "is unexpected"),
		"dyt":  all(norms("alpha"), "is missing"),
		"batch": append(append(all(norms("running_mean"), "is missing"), all(norms("running_var"), "is missing")...),
			all(norms("num_batches_tracked"), "is missing")...),
	} {
		t.Run(norm, func(t *testing.T) {
			c := from(t, tiny(norm), path, "")
			m, found, err := InitialModel(c, text)
			require.NoError(t, err)
			require.ElementsMatch(t, left, found.Left)
			requireState(t, first.State(), m.State(), found.Loaded...)
			mc, err := modelOf(c, text.Vocabulary)
			require.NoError(t, err)
			fresh, err := transformer.New(G.NewGraph(), mc)
			require.NoError(t, err)
			for name, d := range m.State() {
				if !strings.Contains(strings.Join(found.Loaded, " "), name) {
					require.Equal(t, fresh.State()[name].Data(), d.Data(), name)
				}
			}
			_, run, err := Train(t.Context(), c, text, nil)
			require.NoError(t, err)
			require.Len(t, run.Steps, c.Steps)
		})
	}
}

func TestATensorIsExcepted(t *testing.T) {
	text := corpus(t, verse)
	path, first, _ := saved(t, tiny("layer"), text)
	const wte = "transformer.wte.weight"
	c := from(t, tiny("layer"), path, wte)
	m, found, err := InitialModel(c, text)
	require.NoError(t, err)
	require.NotContains(t, found.Loaded, wte)
	require.NotEqual(t, first.State()[wte].Data(), m.State()[wte].Data())
	requireState(t, first.State(), m.State(), found.Loaded...)
	require.Len(t, found.Loaded, len(first.State())-1)
}

func TestStartErrors(t *testing.T) {
	text := corpus(t, verse)
	path, _, _ := saved(t, tiny("layer"), text)
	c := tiny("layer")
	got, err := StartFrom(c, filepath.Join(t.TempDir(), "none"), "")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Equal(t, c, got)
	_, err = StartFrom(c, t.TempDir(), "")
	require.Error(t, err, "a directory")

	other := tiny("none")
	other.Channels = 32
	_, _, err = InitialModel(from(t, other, path, ""), text)
	require.ErrorContains(t, err, "train: "+path+" has no tensor of a model with the norm none: "+
		"transformer.h.{0..1}.attn.c_attn.weight has shape (48, 16), want (96, 32); ")

	noWeights := filepath.Join(t.TempDir(), "x.safetensors")
	require.NoError(t, os.WriteFile(noWeights, []byte("no weights"), 0o666))
	_, _, err = InitialModel(from(t, c, noWeights, ""), text)
	require.ErrorContains(t, err, noWeights)

	// The file has changed when the run begins.
	begun := from(t, c, path, "")
	require.NoError(t, os.WriteFile(path, []byte("other"), 0o666))
	_, _, err = Train(t.Context(), begun, text, nil)
	require.ErrorContains(t, err, "train: "+path+" has changed: its SHA-256 is "+
		"d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa, want "+begun.InitSHA256)
}

// TestTheHashCoversAllParts checks that it depends on the content of every part, not on the
// directory.
func TestTheHashCoversAllParts(t *testing.T) {
	text := corpus(t, verse)
	path, first, _ := saved(t, tiny("layer"), text)
	weights, err := os.ReadFile(path)
	require.NoError(t, err)
	parts := func() (dir, index string) {
		dir = t.TempDir()
		of := make(map[string]string)
		for name := range first.State() {
			of[name] = "a.safetensors"
		}
		b, err := json.Marshal(map[string]any{"weight_map": of})
		require.NoError(t, err)
		index = filepath.Join(dir, "model.safetensors.index.json")
		require.NoError(t, os.WriteFile(index, b, 0o666))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "a.safetensors"), weights, 0o666))
		return dir, index
	}
	_, one := parts()
	dir, two := parts()
	c := from(t, tiny("layer"), one, "")
	require.Equal(t, c.InitSHA256, from(t, tiny("layer"), two, "").InitSHA256)
	m, found, err := InitialModel(c, text)
	require.NoError(t, err)
	require.Empty(t, found.Left)
	requireState(t, first.State(), m.State(), found.Loaded...)

	changed := from(t, tiny("layer"), two, "")
	weights[len(weights)-1] ^= 1
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.safetensors"), weights, 0o666))
	_, _, err = InitialModel(changed, text)
	require.ErrorContains(t, err, "train: "+two+" has changed: its SHA-256 is ")
	require.NoError(t, os.Remove(filepath.Join(dir, "a.safetensors")))
	_, err = StartFrom(changed, two, "")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestTextInAnotherVocabulary(t *testing.T) {
	text := corpus(t, "abba cab")
	require.Equal(t, " abc", string(text.Vocabulary))
	in, unknown := text.WithVocabulary([]rune("bxca "))
	require.Empty(t, unknown)
	require.Equal(t, []int32{3, 0, 0, 3, 4, 2, 3}, in.Train)
	require.Equal(t, []int32{0}, in.Val)
	require.Equal(t, "bxca ", string(in.Vocabulary))
	require.Equal(t, []string{text.Path, text.SHA256}, []string{in.Path, in.SHA256})
	require.Equal(t, []int32{1, 2, 2, 1, 0, 3, 1}, text.Train, "the text itself is unchanged")

	in, unknown = text.WithVocabulary([]rune("ca"))
	require.Nil(t, in)
	require.Equal(t, " b", string(unknown))
}

// TestNoBetterThanGuessing has loaded weights, whose loss may start below that of guessing,
// or above.
func TestNoBetterThanGuessing(t *testing.T) {
	text := corpus(t, verse)
	path, _, _ := saved(t, tiny("layer"), text)
	c := from(t, tiny("layer"), path, "")
	nan := runlog.Float(math.NaN())
	guess := runlog.Float(math.Log(28))
	for _, init := range []runlog.Float{1, 9, nan} {
		r := Run{Config: on(c, text), Summary: runlog.Summary{InitVal: init}}
		require.InDelta(t, float64(guess), float64(r.Untrained()), 1e-12)
		r.Config = on(tiny("layer"), text)
		require.InDelta(t, float64(init), float64(r.Untrained()), 0, "random weights")
	}

	c.LR, c.MinLR, c.Warmup, c.EvalEvery, c.Steps, c.StopOnDivergence = 0, 0, 0, 2, 8, true
	_, run, err := Train(t.Context(), c, text, nil)
	require.NoError(t, err)
	require.Equal(t, run.Summary.InitVal, run.Summary.LastVal)
	require.Zero(t, run.Summary.DivergedAt, "no better than its start, which is no divergence here")
	require.False(t, run.Summary.Stopped)

	c.LR, c.MinLR, c.Steps = 100, 100, 200
	_, run, err = Train(t.Context(), c, text, nil)
	require.NoError(t, err)
	require.Equal(t, runlog.Guessing, run.Summary.Divergence)
	require.Equal(t, run.Summary.Steps, run.Summary.DivergedAt)
	require.Less(t, run.Summary.InitVal, guess)
	require.GreaterOrEqual(t, run.Summary.LastVal, guess)
	require.Equal(t, 4, run.Summary.Steps, "given up after two validations")
}
