package transformer

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/nlpodyssey/safetensors"
	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
)

// TestMetadataOfOtherProgramsIsIgnored, because they use the same keys with other meanings.
func TestMetadataOfOtherProgramsIsIgnored(t *testing.T) {
	t.Parallel()
	m, err := New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	randomize(m, 1)
	for _, metadata := range []map[string]string{
		{"format": "pt"},
		{"norm": "l2"},
		{"norm": "rms"},
		{"norm": "rms", "n_head": "4"},
		{"n_head": "12"},
		{"n_head": "two"},
		{"gelu": "fast"},
		{"gelu": "tanh"},
		{"placement": "cuda:0"},
		{"norm": "rms", "n_head": "4", "placement": "cuda:0", "gelu": "tanh"},
		{"norm": "rms", "n_head": "4", "placement": "peri", "gelu": "true"},
		{"norm": "rms", "n_head": "4", "placement": "peri", namespace + "n_head": "2"},
	} {
		f := fileOf(m)
		f.metadata = metadata
		path := f.write(t)
		got, err := Load(G.NewGraph(), path, Config{Heads: 2})
		require.NoError(t, err, metadata)
		want := m.config
		want.GELU = Exact // the default, because no note names the form
		sameConfig(t, want, got.config)
		sameState(t, m.State(), got.State())
		require.NoError(t, m.LoadFile(path), metadata)
	}
}

// TestNotesOfEarlierVersions are recognized without a namespace if they are complete.
func TestNotesOfEarlierVersions(t *testing.T) {
	t.Parallel()
	c := tiny("rms")
	c.Placement, c.Heads, c.GELU = Peri, 4, Exact
	m, err := New(G.NewGraph(), c)
	require.NoError(t, err)
	for gelu, metadata := range map[GELU]map[string]string{
		Exact: {"format": "pt", "n_head": "4", "norm": "rms", "placement": "peri"},
		Tanh:  {"format": "pt", "n_head": "4", "norm": "rms", "placement": "peri", "gelu": "tanh"},
	} {
		f := fileOf(m)
		f.metadata = metadata
		got, err := Load(G.NewGraph(), f.write(t), Config{})
		require.NoError(t, err)
		want := c
		want.GELU, want.Dtype = gelu, got.config.Dtype
		sameConfig(t, want, got.config)
	}
}

// TestInvalidNotesAreErrors, because only Save writes keys with the namespace.
func TestInvalidNotesAreErrors(t *testing.T) {
	t.Parallel()
	m, err := New(G.NewGraph(), tiny("layer"))
	require.NoError(t, err)
	f := fileOf(m)
	f.metadata = map[string]string{namespace + "n_head": "-1", namespace + "norm": "best",
		namespace + "placement": "above", namespace + "gelu": "fast"}
	path := f.write(t)
	want := "transformer: cannot load " + path +
		`: its metadata has gorgonorm.n_head "-1", want a number of 1 or more; ` +
		`its metadata: unknown norm "best", want one of ` + fmt.Sprintf("%q", NormNames()) + `; ` +
		`its metadata has gorgonorm.placement "above", want one of ["pre" "post" "peri" "scaled" "open"]; ` +
		`its metadata has gorgonorm.gelu "fast", want one of ["tanh" "exact"]`
	_, err = Load(G.NewGraph(), path, Config{})
	require.EqualError(t, err, want)
	_, err = ReadConfig(path)
	require.EqualError(t, err, want)
	require.EqualError(t, m.LoadFile(path), want)
}

// TestSaveKeepsToItsNamespace, except for the format, which the transformers library requires.
func TestSaveKeepsToItsNamespace(t *testing.T) {
	t.Parallel()
	m, err := New(G.NewGraph(), tiny("rms"))
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, m.Save(&b))
	_, header, err := safetensors.ReadMetadata(b.Bytes())
	require.NoError(t, err)
	require.Equal(t, map[string]string{"format": "pt", "gorgonorm.n_head": "2", "gorgonorm.norm": "rms",
		"gorgonorm.placement": "pre", "gorgonorm.gelu": "tanh"}, header.Metadata())
}

// TestAPlacementThatNamesDoNotReveal comes from the metadata or the caller. Without either, the
// tensors of Scaled are read as those of Pre, and the missing last norm of Open is a fault.
func TestAPlacementThatNamesDoNotReveal(t *testing.T) {
	t.Parallel()
	for _, p := range []Placement{Scaled, Open} {
		c := tiny("layer")
		c.Placement = p
		m, err := New(G.NewGraph(), c)
		require.NoError(t, err)
		f := fileOf(m)
		path := f.write(t)
		loaded, err := Load(G.NewGraph(), path, Config{Placement: p})
		require.NoError(t, err)
		sameConfig(t, m.config, loaded.config)

		loaded, err = Load(G.NewGraph(), path, Config{})
		if p == Open {
			require.ErrorContains(t, err, "transformer.ln_f.weight is missing")
		} else {
			require.NoError(t, err)
			require.Equal(t, Pre, loaded.config.Placement)
		}

		f.metadata[namespace+"placement"] = string(p)
		path = f.write(t)
		loaded, err = Load(G.NewGraph(), path, Config{})
		require.NoError(t, err)
		sameConfig(t, m.config, loaded.config)
		_, err = Load(G.NewGraph(), path, Config{Placement: Pre})
		require.ErrorContains(t, err, `its metadata has placement "`+string(p)+`", want "pre"`)
	}
}
