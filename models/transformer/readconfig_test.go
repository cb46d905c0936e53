package transformer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
)

// TestReadConfig reads files by PyTorch, which reveal all but the number of heads, and by Save.
func TestReadConfig(t *testing.T) {
	for _, name := range []string{"nanogpt", "gpt2_f16", "gpt2_bf16"} {
		c, err := ReadConfig(filepath.Join("..", "..", "testdata", "checkpoints", name+".safetensors"))
		require.NoError(t, err)
		require.Equal(t, 8, c.Channels, name)
		require.True(t, c.Bias, name)
		require.Zero(t, c.Heads, name)
		require.Equal(t, []int{11, 6}, []int{c.Vocab, c.Context}, name)
		require.Positive(t, c.Layers, name)
	}
	want := Config{Vocab: 5, Context: 7, Layers: 3, Heads: 2, Channels: 12}
	own := want
	own.Norm = Norms[0]
	m, err := New(G.NewGraph(), own)
	require.NoError(t, err)
	got, err := ReadConfig(saved(t, m))
	require.NoError(t, err)
	want.Norm, want.Placement, want.GELU = Norms[0], Pre, Tanh
	sameConfig(t, want, got)
}

func TestReadConfigOfInvalidFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	require.NoError(t, os.WriteFile(path, []byte("no weights"), 0o666))
	_, err := ReadConfig(path)
	require.ErrorContains(t, err, path)

	m, err := New(G.NewGraph(), Config{Vocab: 5, Context: 7, Layers: 1, Heads: 2, Channels: 12, Norm: Norms[0]})
	require.NoError(t, err)
	f := fileOf(m)
	f.metadata["gorgonorm.n_head"] = "two"
	path = f.write(t)
	_, err = ReadConfig(path)
	require.EqualError(t, err,
		"transformer: cannot load "+path+`: its metadata has gorgonorm.n_head "two", want a number of 1 or more`)

	f = fileOf(m)
	f.reshape("transformer.h.99999999.ln_1.weight", 12)
	_, err = ReadConfig(f.write(t))
	require.ErrorContains(t, err, "its names and shapes describe a model of 172800000144")

	f = file{tensors: map[string]raw{}}
	f.reshape("conv.weight", 3, 3)
	_, err = ReadConfig(f.write(t))
	require.ErrorContains(t, err, "it holds no transformer with nanoGPT's or GPT-2's names")
}
