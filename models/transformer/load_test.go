package transformer

import (
	"os"
	"path/filepath"
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

// sameConfig compares what a file tells of a model; functions cannot be compared.
func sameConfig(t *testing.T, want, got Config) {
	t.Helper()
	require.Equal(t, want.Norm.Name, got.Norm.Name)
	want.Norm, got.Norm, want.Seed, got.Seed = Norm{}, Norm{}, 0, 0
	require.Equal(t, want, got)
}

func sameState(t *testing.T, want, got layers.State) {
	t.Helper()
	require.Equal(t, sorted(want), sorted(got))
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

// TestASavedModelIsLoaded: every arrangement, by its file alone.
func TestASavedModelIsLoaded(t *testing.T) {
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
				want := m.config
				if c.Norm.Name == "none" {
					want.Placement = Pre // as good as any
				}
				sameConfig(t, want, loaded.config)
				sameState(t, m.State(), loaded.State())
				require.Equal(t, evaluation(t, m)(), evaluation(t, loaded)())

				other, err := New(G.NewGraph(), c)
				require.NoError(t, err)
				logits := evaluation(t, other)
				require.NoError(t, other.LoadFile(path))
				require.Equal(t, evaluation(t, m)(), logits())

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
			})
		}
	}
}
