package transformer

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
)

// TestCheckFileDistinguishesModels checks every saved model against the configs of all models.
func TestCheckFileDistinguishesModels(t *testing.T) {
	t.Parallel()
	var kinds []Config
	for _, n := range Norms {
		for _, p := range Placements {
			for _, qk := range []bool{false, true} {
				kinds = append(kinds, Config{Vocab: 5, Context: 4, Layers: 2, Heads: 2, Channels: 4, Norm: n,
					Placement: p, QKNorm: qk, Bias: n.Name != "rms" && qk})
			}
		}
	}
	for i, k := range kinds {
		m, err := New(G.NewGraph(), k)
		require.NoError(t, err)
		path := saved(t, m)
		for j, other := range kinds {
			if err := CheckFile(path, other); i == j {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "transformer: cannot load "+path+": ")
			}
		}
	}
}

// TestCheckFileReadsTheHeader checks sizes, names and the length of the file, but not the numbers.
func TestCheckFileReadsTheHeader(t *testing.T) {
	t.Parallel()
	norm, err := NormByName("layer")
	require.NoError(t, err)
	c := Config{Vocab: 5, Context: 4, Layers: 2, Heads: 2, Channels: 4, Norm: norm}
	m, err := New(G.NewGraph(), c)
	require.NoError(t, err)
	path := saved(t, m)
	for _, test := range []struct {
		want   string
		change func(*Config)
	}{
		{"vocabulary is 5, want 6", func(c *Config) { c.Vocab = 6 }},
		{"context is 4, want 3", func(c *Config) { c.Context = 3 }},
		{"layers is 2, want 1; transformer.h.1.attn.c_attn.weight is unexpected", func(c *Config) { c.Layers = 1 }},
		{"heads is 2, want 4", func(c *Config) { c.Heads = 4 }},
		{"channels is 4, want 8", func(c *Config) { c.Channels = 8 }},
		{`its metadata has gelu "tanh", want "exact"`, func(c *Config) { c.GELU = Exact }},
		{"transformer.h.{0..1}.attn.c_attn.bias is missing", func(c *Config) { c.Bias = true }},
		{"layers is 2, want 10000; it holds 460 numbers, but its names and shapes describe a model of 1920036",
			func(c *Config) { c.Layers = 1e4 }},
		{"transformer: the model has 1.92e+11 parameters, want at most 2e+09", func(c *Config) { c.Layers = 1e9 }},
		{"transformer: layers is -1, want 1 or more", func(c *Config) { c.Layers = -1 }},
		{`transformer: unknown placement "mid", want one of ["pre" "post" "peri" "scaled" "open"]`,
			func(c *Config) { c.Placement = "mid" }},
	} {
		other := c
		test.change(&other)
		require.ErrorContains(t, CheckFile(path, other), test.want)
	}
	exact := c
	exact.GELU = Exact
	other, err := New(G.NewGraph(), exact)
	require.NoError(t, err)
	require.ErrorContains(t, CheckFile(saved(t, other), c), `its metadata has gelu "exact", want "tanh"`,
		"which is the default")

	f := fileOf(m)
	f.put("transformer.ln_f.weight", 0, 1e30)
	require.NoError(t, CheckFile(f.write(t), c))
	delete(f.tensors, "transformer.h.1.ln_2.weight")
	require.ErrorContains(t, CheckFile(f.write(t), c), ": transformer.h.1.ln_2.weight is missing")

	info, err := os.Stat(path)
	require.NoError(t, err)
	for _, size := range []int64{0, 7, 8, 100, info.Size() - 1, info.Size() + 1} {
		require.NoError(t, os.Truncate(path, size))
		require.ErrorContains(t, CheckFile(path, c), path+" is not a safetensors file: ", "%d bytes", size)
	}
	require.NoError(t, os.Remove(path))
	require.ErrorIs(t, CheckFile(path, c), os.ErrNotExist)
}
