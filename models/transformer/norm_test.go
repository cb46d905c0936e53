package transformer

import (
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
)

// TestEveryNormIsInferredFromItsTensors if the file has biases and does not name its norm.
func TestEveryNormIsInferredFromItsTensors(t *testing.T) {
	t.Parallel()
	for _, n := range Norms {
		c := tiny(n.Name)
		c.Bias = true
		m, err := New(G.NewGraph(), c)
		require.NoError(t, err)
		f := fileOf(m)
		require.NotContains(t, f.metadata, namespace+normKey)
		got, err := Load(G.NewGraph(), f.write(t), Config{})
		const hint = "set identifiedBy or suggestedBy in its entry of Norms"
		require.NoError(t, err, "a file with norm %q cannot be read: "+hint, n.Name)
		require.Equal(t, n.Name, got.config.Norm.Name, "a file with norm %q is taken for another: "+hint, n.Name)
	}
}

// TestEveryNormIsComplete and has a unique name.
func TestEveryNormIsComplete(t *testing.T) {
	t.Parallel()
	names := make(map[string]bool)
	for _, n := range Norms {
		require.NotEmpty(t, n.Name, "an entry of Norms has no Name")
		require.False(t, names[n.Name], "two entries of Norms have the name %q", n.Name)
		names[n.Name] = true
		require.Positive(t, n.MinRows, "norm %q has no MinRows: set it in Norms to the number of rows that it needs",
			n.Name)
		require.NotNil(t, n.New, "norm %q has no constructor: set New in its entry of Norms", n.Name)
		require.NotNil(t, n.NewQK, "norm %q has no norm for queries and keys: set NewQK in its entry of Norms", n.Name)
	}
}
