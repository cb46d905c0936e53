package safetensors

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	a, b      = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
	indexName = "model.safetensors.index.json"
)

// directory makes a directory with these files.
func directory(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o666))
	}
	return dir
}

// part returns a file with a tensor of one byte for each name, and with a metadata entry.
func part(metadatum string, names ...string) []byte {
	var tensors strings.Builder
	for i, name := range names {
		fmt.Fprintf(&tensors, `,%q:{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]}`, name, i, i+1)
	}
	return append(file(`{"__metadata__":{"format":"pt","part":"`+metadatum+`"}`+tensors.String()+`}`, 0),
		strings.Join(names, "")...)
}

func weightMap(pairs ...string) []byte {
	parts := make(map[string]string)
	for i := 0; i < len(pairs); i += 2 {
		parts[pairs[i]] = pairs[i+1]
	}
	text, _ := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": 3}, "weight_map": parts})
	return text
}

// TestPartsAreOneFile: each tensor is read from its own part, even if their offsets are equal.
func TestPartsAreOneFile(t *testing.T) {
	t.Parallel()
	dir := directory(t, map[string][]byte{a: part("1", "x", "y"), b: part("2", "z"),
		indexName: weightMap("x", a, "y", a, "z", b), "other.safetensors": part("3", "x")})
	f, err := Open(filepath.Join(dir, indexName))
	require.NoError(t, err)
	require.Len(t, f.Tensors, 3)
	for name, tensor := range f.Tensors {
		var got [1]byte
		require.NoError(t, tensor.read(got[:], 0))
		require.Equal(t, name, string(got[:]))
	}
	require.Equal(t, map[string]string{"format": "pt", "part": "1, 2"}, f.Metadata)
	require.NoError(t, f.Close())
	for _, tensor := range f.Tensors {
		require.ErrorIs(t, tensor.read(make([]byte, 1), 0), fs.ErrClosed)
	}

	paths, err := Paths(filepath.Join(dir, indexName))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(dir, indexName), filepath.Join(dir, a), filepath.Join(dir, b)}, paths)
	paths, err = Paths("x.safetensors")
	require.NoError(t, err)
	require.Equal(t, []string{"x.safetensors"}, paths)
}

// TestIndexIsNotTrusted: one error lists all faults of an index and its parts.
func TestIndexIsNotTrusted(t *testing.T) {
	t.Parallel()
	whole := map[string][]byte{a: part("1", "x", "y"), b: part("2", "z")}
	for name, c := range map[string]struct {
		index []byte
		parts map[string][]byte
		want  string
	}{
		"no JSON":   {[]byte("{"), whole, "unexpected end of JSON input"},
		"no object": {[]byte("[1]"), whole, "json: cannot unmarshal array into Go value of type safetensors.index"},
		"no map":    {[]byte("{}"), whole, "its weight_map is missing or empty"},
		"empty map": {weightMap(), whole, "its weight_map is missing or empty"},
		"an escape": {weightMap("x", "../"+a), whole, `"../` + a + `" is not the name of a file in its directory`},
		"all escapes": {weightMap("x", "/etc/passwd", "y", "..", "z", `..\a`, "u", "b/"+a, "v", ""), whole,
			`"" is not the name of a file in its directory; ".." is not the name of a file in its directory; "..\\a" ` +
				`is not the name of a file in its directory; "/etc/passwd" is not the name of a file in its ` +
				`directory; ` +
				`"b/` + a + `" is not the name of a file in its directory`},
		"a control":   {weightMap("x", "\x1b[31m"), whole, `"\x1b[31m" is not the name of a file in its directory`},
		"a directory": {weightMap("x", "."), whole, "DIR is a directory, want a regular file"},
		"missing": {weightMap("x", a, "z", b), map[string][]byte{a: whole[a]},
			"open DIR/" + b + ": no such file or directory"},
		"no part": {weightMap("x", a, "z", b), map[string][]byte{a: whole[a], b: []byte("text")},
			"DIR/" + b + " is not a safetensors file: it has 4 bytes, want at least 8 for the length of the header"},
		"twice": {weightMap("x", a, "z", b), map[string][]byte{a: whole[a], b: part("2", "x", "z")},
			`"x" is in ` + a + ` and in ` + b},
		"not there": {weightMap("x", a, "u", a, "z", a), whole, `"u" is not in ` + a + `; "z" is not in ` + a},
		"all of it": {weightMap("x", a, "z", b, "u", "c", "v", b),
			map[string][]byte{a: whole[a], b: part("2", "y", "z")},
			"open DIR/c: no such file or directory; " + `"v" is not in ` + b + `; "y" is in ` + a + ` and in ` + b},
		"an index": {weightMap("x", indexName), nil,
			"DIR/" + indexName + " is not a safetensors file: its header should have"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := directory(t, c.parts)
			path := filepath.Join(dir, indexName)
			require.NoError(t, os.WriteFile(path, c.index, 0o666))
			f, err := Open(path)
			require.Nil(t, f)
			require.ErrorContains(t, err, "the index "+path+": "+strings.ReplaceAll(c.want, "DIR", dir))
		})
	}
	_, err := Open("none" + IndexSuffix)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Paths("none" + IndexSuffix)
	require.ErrorIs(t, err, fs.ErrNotExist)

	many := make([]string, 0, 400)
	for i := range 200 {
		many = append(many, fmt.Sprintf("t%03d", i), a)
	}
	dir := directory(t, map[string][]byte{a: whole[a], indexName: weightMap(many...)})
	_, err = Open(filepath.Join(dir, indexName))
	require.ErrorContains(t, err, `"t099" is not in `+a+"; and so on, 200 in all")
	require.NotContains(t, err.Error(), "t100")
}

func TestIndexMayHaveAMarkAndComments(t *testing.T) {
	t.Parallel()
	marked := append([]byte("\ufeff// made by hand\n"), weightMap("x", a)...)
	f, err := Open(filepath.Join(directory(t, map[string][]byte{a: part("1", "x"), indexName: marked}), indexName))
	require.NoError(t, err)
	require.Len(t, f.Tensors, 1)
	require.NoError(t, f.Close())
}
