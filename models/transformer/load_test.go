package transformer

import (
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
)

// saved writes a model to a file.
func saved(t *testing.T, m *Model) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.safetensors")
	f, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, m.Save(f))
	require.NoError(t, f.Close())
	return path
}

// sameConfig compares the parts of configs that a file determines. Norms are compared by name,
// because functions are not comparable.
func sameConfig(t *testing.T, want, got Config) {
	t.Helper()
	require.Equal(t, want.Norm.Name, got.Norm.Name)
	want.Norm, got.Norm, want.Seed, got.Seed = Norm{}, Norm{}, 0, 0
	require.Equal(t, want, got)
}

func sameState(t *testing.T, want, got layers.State) {
	t.Helper()
	require.Equal(t, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
	for name, d := range want {
		require.Equal(t, d.Shape(), got[name].Shape(), name)
		require.Equal(t, d.Data(), got[name].Data(), name)
	}
}

func widen(x []float32) []float64 {
	wide := make([]float64, len(x))
	for i, v := range x {
		wide[i] = float64(v)
	}
	return wide
}

// TestLoadReadsSavedModels of every arrangement, from the file alone.
func TestLoadReadsSavedModels(t *testing.T) {
	for name, c := range arrangements() {
		for _, bias := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				c.Bias = bias
				m, err := New(G.NewGraph(), c)
				require.NoError(t, err)
				randomize(m, 1)
				path := saved(t, m)

				loaded, err := Load(G.NewGraph(), path, Config{})
				require.NoError(t, err)
				sameConfig(t, m.config, loaded.config)
				sameState(t, m.State(), loaded.State())
				require.Equal(t, evaluation(t, m)(), evaluation(t, loaded)())

				other, err := New(G.NewGraph(), c)
				require.NoError(t, err)
				scores := evaluation(t, other)
				require.NoError(t, other.LoadFile(path))
				require.Equal(t, evaluation(t, m)(), scores())

				wide, err := Load(G.NewGraph(), path, Config{Dtype: tensor.Float64})
				require.NoError(t, err)
				require.Equal(t, tensor.Float64, wide.config.Dtype)
				widened := wide.State()
				for name, d := range m.State() {
					if d.Dtype() == tensor.Float32 {
						require.Equal(t, widen(d.Float32s()), widened[name].Float64s(), name)
					}
				}
				again, err := Load(G.NewGraph(), saved(t, wide), Config{})
				require.NoError(t, err)
				sameConfig(t, wide.config, again.config)
				sameState(t, wide.State(), again.State())
				require.Equal(t, logits(t, m.g, m, someIDs)(), logits(t, loaded.g, loaded, someIDs)(),
					"the placement for training")
			})
		}
	}
}

// TestLoadDoesNotHoldTheFile in memory: the model is most of what is allocated.
func TestLoadDoesNotHoldTheFile(t *testing.T) {
	c := tiny("layer")
	c.Vocab, c.Channels = 1<<16, 64
	m, err := New(G.NewGraph(), c)
	require.NoError(t, err)
	path := saved(t, m)
	allocated := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	size := uint64(4 * m.Parameters())
	require.Less(t, allocated(func() { _, err = Load(G.NewGraph(), path, Config{}) }), size+size/5)
	require.NoError(t, err)
	require.Less(t, allocated(func() { err = m.LoadFile(path) }), size/5)
	require.NoError(t, err)
}

// TestTensorsLargerThanABlock are read, checked and transposed completely.
func TestTensorsLargerThanABlock(t *testing.T) {
	c := tiny("layer")
	c.Channels = 96
	m, err := New(G.NewGraph(), c)
	require.NoError(t, err)
	randomize(m, 1)
	f := fileOf(m)
	f.transpose()
	got, err := Load(G.NewGraph(), f.write(t), Config{})
	require.NoError(t, err)
	sameState(t, m.State(), got.State())
	f.put("transformer.h.1.mlp.c_fc.weight", 30_000, math.NaN())
	_, err = Load(G.NewGraph(), f.write(t), Config{})
	require.ErrorContains(t, err, "h.1.mlp.c_fc.weight holds NaN or infinity, 1 in all, the first at index 30000")
}

// TestSaveWritesSlices without the rest of their memory.
func TestSaveWritesSlices(t *testing.T) {
	m, err := New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	randomize(m, 1)
	want := m.State()
	more := tensor.New(tensor.WithShape(9, 8), tensor.WithBacking(make([]float32, 72)))
	copy(more.Float32s(), want[wteWeight].Float32s())
	rows, err := more.Slice(tensor.S(0, 7))
	require.NoError(t, err)
	require.NoError(t, G.Let(m.Learnables()[0], rows.(*tensor.Dense)))
	got, err := Load(G.NewGraph(), saved(t, m), Config{})
	require.NoError(t, err)
	sameState(t, want, got.State())
}

// TestLoadFileFillsTransposedTensors, which gorgonia.Let can make the value of a weight.
func TestLoadFileFillsTransposedTensors(t *testing.T) {
	m, err := New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	randomize(m, 1)
	path, want := saved(t, m), m.State()
	other, err := New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	wte := tensor.New(tensor.WithShape(8, 7), tensor.WithBacking(make([]float32, 56)))
	require.NoError(t, wte.T())
	require.NoError(t, G.Let(other.Learnables()[0], wte))
	require.NoError(t, other.LoadFile(path))
	sameState(t, want, other.State())
	require.NoError(t, other.LoadFile(saved(t, other)))
	sameState(t, want, other.State())
}

func TestLoadMatchingTakesWhatFits(t *testing.T) {
	build := func(norm string, change func(*Config)) *Model {
		c := tiny(norm)
		c.Layers = 1
		if change != nil {
			change(&c)
		}
		m, err := New(G.NewGraph(), c)
		require.NoError(t, err)
		randomize(m, 2)
		return m
	}
	from := build("layer", func(c *Config) { c.Bias = true })
	f := fileOf(from)
	f.tensors[headWeight] = f.tensors[wteWeight]
	path := f.write(t)
	const h = "transformer.h.0."
	missing := func(norms ...string) (all []string) {
		for _, n := range norms {
			for _, s := range []string{"num_batches_tracked", "running_mean", "running_var"} {
				all = append(all, n+s+" is missing")
			}
		}
		return all
	}
	for name, c := range map[string]struct {
		into   *Model
		except []string
		left   []string
	}{
		"the same": {build("layer", func(c *Config) { c.Bias = true }), nil, nil},
		"batch": {build("batch", func(c *Config) { c.Bias = true }), nil,
			missing(h+"ln_1.", h+"ln_2.", "transformer.ln_f.")},
		"rms": {build("rms", func(c *Config) { c.Bias = true }), nil,
			[]string{h + "ln_1.bias is unexpected", h + "ln_2.bias is unexpected",
				"transformer.ln_f.bias is unexpected"}},
		"except one": {build("layer", func(c *Config) { c.Bias = true }), []string{wteWeight}, nil},
		"a vocabulary": {build("layer", func(c *Config) { c.Bias, c.Vocab = true, 9 }), nil,
			[]string{wteWeight + " has shape (7, 8), want (9, 8)"}},
	} {
		t.Run(name, func(t *testing.T) {
			before, want := c.into.State(), from.State()
			found, err := c.into.LoadMatching(path, c.except...)
			require.NoError(t, err)
			require.Equal(t, c.left, found.Left.sentences())
			for name, d := range c.into.State() {
				switch {
				case slices.Contains(found.Loaded, name):
					require.Equal(t, want[name].Data(), d.Data(), name)
					require.NotContains(t, c.except, name)
				default:
					require.Equal(t, before[name].Data(), d.Data(), name)
				}
			}
			left := strings.Join(c.left, " ")
			notLoaded := len(c.except) + strings.Count(left, " is missing") + strings.Count(left, " has shape")
			require.Len(t, found.Loaded, len(before)-notLoaded)
		})
	}

	f.put(h+"ln_1.weight", 1, math.Inf(1))
	into := build("rms", nil)
	before := into.State()
	found, err := into.LoadMatching(f.write(t))
	require.ErrorContains(t, err, h+"ln_1.weight holds NaN or infinity, 1 in all, the first at index 1")
	require.Empty(t, found)
	sameState(t, before, into.State())
	_, err = into.LoadMatching("nowhere")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestLoadFileWithoutCounts sets the counts to 0.
func TestLoadFileWithoutCounts(t *testing.T) {
	m, err := New(G.NewGraph(), tiny("batch"))
	require.NoError(t, err)
	batchNorms(m)[0].RunningMean().Float32s()[0] = 7
	f := fileOf(m)
	f.metadata["gorgonorm.norm"], f.metadata["gorgonorm.placement"] = "batch", "pre"
	for name := range f.tensors {
		if strings.HasSuffix(name, ".num_batches_tracked") {
			delete(f.tensors, name)
		}
	}
	path := f.write(t)
	other, err := Load(G.NewGraph(), path, Config{})
	require.NoError(t, err)
	require.Equal(t, float32(7), batchNorms(other)[0].RunningMean().Float32s()[0])

	state := m.State()
	for _, n := range batchNorms(m) {
		state[n.Name()+".num_batches_tracked"].Int64s()[0] = 3
	}
	require.NoError(t, m.Load(state))
	require.NoError(t, m.LoadFile(path))
	for _, n := range batchNorms(m) {
		require.Equal(t, []int64{0}, m.State()[n.Name()+".num_batches_tracked"].Data())
	}
}

// TestFilesAreLoadedIntoEveryPlacement even after gorgonia.Let has replaced the memory of one.
func TestFilesAreLoadedIntoEveryPlacement(t *testing.T) {
	c := tiny("batch")
	c.QKNorm = true
	source, err := New(G.NewGraph(), c)
	require.NoError(t, err)
	path := saved(t, source)
	for name, load := range map[string]func(m *Model) error{
		"LoadFile":     func(m *Model) error { return m.LoadFile(path) },
		"LoadMatching": func(m *Model) error { _, err := m.LoadMatching(path); return err },
	} {
		t.Run(name, func(t *testing.T) {
			other := c
			other.Seed++
			m, err := New(G.NewGraph(), other)
			require.NoError(t, err)
			placed, err := m.On(G.NewGraph(), layers.Evaluation)
			require.NoError(t, err)
			for _, n := range m.Learnables() {
				require.NoError(t, G.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.Of(n.Dtype()))))
			}
			require.NoError(t, load(m))
			want := source.State()
			for _, got := range []layers.State{m.State(), placed.State()} {
				for name, d := range want {
					require.Equal(t, d.Data(), got[name].Data(), name)
				}
			}
		})
	}
}
