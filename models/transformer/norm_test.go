package transformer

import (
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
)

// TestEveryNormIsTold by its tensors alone, where a file has biases and does not name its
// norm.
func TestEveryNormIsTold(t *testing.T) {
	t.Parallel()
	for _, n := range Norms {
		c := tiny(n.Name)
		c.Bias = true
		m, err := New(G.NewGraph(), c)
		require.NoError(t, err)
		f := fileOf(m)
		require.NotContains(t, f.metadata, namespace+normKey)
		got, err := Load(G.NewGraph(), f.write(t), Config{})
		require.NoError(t, err, "a file of norm %q is not read: give its entry of Norms a mark, or a lack", n.Name)
		require.Equal(t, n.Name, got.config.Norm.Name, "a file of norm %q is taken for another: give its entry of Norms a mark, or a lack", n.Name)
	}
}

// TestEveryNormIsComplete, and has a name of its own.
func TestEveryNormIsComplete(t *testing.T) {
	t.Parallel()
	names := make(map[string]bool)
	for _, n := range Norms {
		require.NotEmpty(t, n.Name, "an entry of Norms has no Name")
		require.False(t, names[n.Name], "two entries of Norms are called %q", n.Name)
		names[n.Name] = true
		require.Positive(t, n.MinRows, "norm %q has no MinRows: say in Norms how many rows it needs", n.Name)
		require.NotNil(t, n.New, "norm %q has no constructor: give its entry of Norms a New", n.Name)
		require.NotNil(t, n.NewQK, "norm %q has none for queries and keys: give its entry of Norms a NewQK", n.Name)
	}
}
