package transformer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
)

// BenchmarkLoad reads a file of 58 MB, so that its size and the allocated bytes can be compared.
func BenchmarkLoad(b *testing.B) {
	c := tiny("layer")
	c.Vocab, c.Channels, c.Layers = 50257, 256, 2
	m, err := New(G.NewGraph(), c)
	require.NoError(b, err)
	path := filepath.Join(b.TempDir(), "model.safetensors")
	f, err := os.Create(path)
	require.NoError(b, err)
	require.NoError(b, m.Save(f))
	require.NoError(b, f.Close())
	b.SetBytes(int64(4 * m.Parameters()))
	b.ReportAllocs()
	for b.Loop() {
		_, err := Load(G.NewGraph(), path, Config{})
		require.NoError(b, err)
	}
}
