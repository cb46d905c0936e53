package transformer

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/hostile"
	"gorgonorm/layers"
)

// TestNoPanics calls every exported function and method with what nobody means to give.
func TestNoPanics(t *testing.T) {
	g, other := G.NewGraph(), G.NewGraph()
	c := Config{Vocab: 5, Context: 4, Layers: 1, Heads: 2, Channels: 8, Norm: Norms[2], Seed: 1}
	m, err := New(g, c)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "model.safetensors")
	var file bytes.Buffer
	require.NoError(t, m.Save(&file))
	require.NoError(t, os.WriteFile(path, file.Bytes(), 0o666))
	ids := func(g *G.ExprGraph, shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Int, len(shape), G.WithShape(shape...), G.WithName("ids"))
	}
	hostile.Test(t, hostile.Package{
		Functions: map[string]any{
			"CheckFile": CheckFile, "Load": Load, "New": New, "NewNormNoise": NewNormNoise, "NormByName": NormByName,
			"NormNames": NormNames, "ReadConfig": ReadConfig,
		},
		Values: []any{
			c, m, g, other, path, Norms[0], Norms[1], Norm{Name: "x"}, Pre, Placement("x"), Tanh, GELU("x"),
			NewNormNoise(0.1, 1), Sampling{Temperature: 1}, Fault{"x", "y"}, Faults{{"x", "y"}},
			ids(g, 2, 3), ids(g, 2, 9), ids(g, 3), ids(other, 2, 3), ids(g, 0, 3),
			G.NewTensor(g, tensor.Float32, 3, G.WithShape(2, 3, 5), G.WithName("logits")),
			tensor.Float32, tensor.Int, layers.Training, layers.Mode(9), m.State(), layers.State{"x": nil},
			&file,
		},
		Tries: 100,
	})
}
