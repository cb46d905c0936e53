package transformer

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
)

// writeParts distributes the tensors over n files and writes an index of them.
func (f file) writeParts(t *testing.T, n int) (index string) {
	t.Helper()
	dir := t.TempDir()
	parts := make([]map[string]raw, n)
	of := make(map[string]string)
	name := func(i int) string { return fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, n) }
	for i, tensor := range slices.Sorted(maps.Keys(f.tensors)) {
		if parts[i%n] == nil {
			parts[i%n] = make(map[string]raw)
		}
		parts[i%n][tensor], of[tensor] = f.tensors[tensor], name(i%n)
	}
	for i, p := range parts {
		b, err := safetensors.Serialize(p, f.metadata)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name(i)), b, 0o666))
	}
	b, err := json.Marshal(map[string]any{"metadata": map[string]int{"total_size": 1}, "weight_map": of})
	require.NoError(t, err)
	index = filepath.Join(dir, "model.safetensors.index.json")
	require.NoError(t, os.WriteFile(index, b, 0o666))
	return index
}

// TestPartsAreLoadedAsOneFile by every function that reads files, with the embedding and the equal
// head in different parts.
func TestPartsAreLoadedAsOneFile(t *testing.T) {
	t.Parallel()
	for name, c := range arrangements() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, err := New(G.NewGraph(), c)
			require.NoError(t, err)
			randomize(m, 1)
			f := fileOf(m)
			f.metadata[namespace+"norm"], f.metadata[namespace+"placement"] = c.Norm.Name, string(m.config.Placement)
			f.tensors[headWeight] = f.tensors[wteWeight]
			for _, n := range []int{1, 2, 3} {
				path := f.writeParts(t, n)
				loaded, err := Load(G.NewGraph(), path, Config{})
				require.NoError(t, err)
				sameConfig(t, m.config, loaded.config)
				sameState(t, m.State(), loaded.State())

				fromParts, err := ReadConfig(path)
				require.NoError(t, err)
				fromFile, err := ReadConfig(f.write(t))
				require.NoError(t, err)
				sameConfig(t, fromFile, fromParts)

				other, err := New(G.NewGraph(), c)
				require.NoError(t, err)
				require.NoError(t, other.LoadFile(path))
				sameState(t, m.State(), other.State())

				matching, err := New(G.NewGraph(), c)
				require.NoError(t, err)
				found, err := matching.LoadMatching(path)
				require.NoError(t, err)
				require.Empty(t, found.Left)
				sameState(t, m.State(), matching.State())
			}
		})
	}
}

// TestPartsThatDisagree about the model are an error, and so is a missing part.
func TestPartsThatDisagree(t *testing.T) {
	t.Parallel()
	m, err := New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	f := fileOf(m)
	index := f.writeParts(t, 2)
	second := filepath.Join(filepath.Dir(index), "model-00002-of-00002.safetensors")
	f.metadata[namespace+"n_head"] = "4"
	other, err := os.ReadFile(filepath.Join(filepath.Dir(f.writeParts(t, 2)), filepath.Base(second)))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(second, other, 0o666))
	_, err = Load(G.NewGraph(), index, Config{})
	require.EqualError(t, err,
		"transformer: cannot load "+index+`: its metadata has gorgonorm.n_head "2, 4", want a number of 1 or more`)

	require.NoError(t, os.Remove(second))
	randomize(m, 3)
	before := m.State()
	_, matching := m.LoadMatching(index)
	_, load := Load(G.NewGraph(), index, Config{})
	_, read := ReadConfig(index)
	for _, err := range []error{m.LoadFile(index), matching, load, read} {
		require.ErrorContains(t, err, "transformer: the index "+index+": ")
		require.ErrorContains(t, err, second)
	}
	sameState(t, before, m.State())
}
