package transformer

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/hostile"
)

// FuzzLoad loads any file as a model, and saves what it has loaded.
func FuzzLoad(f *testing.F) {
	for i, n := range Norms {
		c := Config{Vocab: 3, Context: 2, Layers: 1, Heads: 1, Channels: 2, Norm: n, Seed: 1}
		c.Placement, c.QKNorm, c.Bias = Placements[i%len(Placements)], i%2 == 1, i%3 == 1
		m, err := New(G.NewGraph(), c)
		require.NoError(f, err)
		var file bytes.Buffer
		require.NoError(f, m.Save(&file))
		f.Add(file.Bytes(), 0, 0)
		f.Add(file.Bytes()[:file.Len()/2], 1, 3)
	}
	golden, err := filepath.Glob("../../testdata/checkpoints/*/model.safetensors")
	require.NoError(f, err)
	for _, path := range golden {
		b, err := os.ReadFile(path)
		require.NoError(f, err)
		if len(b) < 50_000 {
			f.Add(b, 2, 0)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte, heads, layers int) {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		require.NoError(t, os.WriteFile(path, b, 0o666))
		hostile.Allocates(t, len(b), func() {
			c, err := ReadConfig(path)
			_, _ = c, err
			m, err := Load(G.NewGraph(), path, Config{Heads: heads, Layers: layers})
			if err != nil {
				return
			}
			require.NoError(t, CheckFile(path, m.Config()))
			var again bytes.Buffer
			require.NoError(t, m.Save(&again))
		})
	})
}
