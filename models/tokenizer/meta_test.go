package tokenizer

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func write(t *testing.T, name, content string) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
	return path
}

// TestReadMeta reads nanoGPT's dictionary as Python's json.dump writes it, with escaped non-ASCII
// characters, and in other valid forms.
func TestReadMeta(t *testing.T) {
	for name, content := range map[string]string{
		"as dumped": `{"vocab_size": 4, "itos": {"0": "\n", "1": "a", "2": "\u00e9", "3": "\ud83d\ude42"}, "stoi": ` +
			`{"\n": 0, "a": 1, "\u00e9": 2, "\ud83d\ude42": 3}}`,
		"itos alone": `{"itos": {"3": "🙂", "0": "\n", "1": "a", "2": "é"}}`,
		"a list":     `{"vocab_size": 4, "itos": ["\n", "a", "é", "🙂"]}`,
		"a mark":     "\ufeff\n{\n\n // the list\n\"itos\": [\"\\n\", \"a\", \"é\", \"🙂\"] /* and no more */}\n",
		"stoi alone": `{"stoi": {"🙂": 3, "é": 2, "a": 1, "\n": 0}, "more": [1]}`,
	} {
		t.Run(name, func(t *testing.T) {
			c, err := ReadMeta(write(t, "meta.json", content))
			require.NoError(t, err)
			require.Equal(t, 4, c.Size())
			ids, err := c.Encode("🙂é\na")
			require.NoError(t, err)
			require.Equal(t, []int{3, 2, 0, 1}, ids)
		})
	}
	_, err := ReadMeta(filepath.Join(t.TempDir(), "none.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestReadMetaErrors(t *testing.T) {
	for content, want := range map[string]string{
		"":                       "the file is not a JSON object: unexpected EOF",
		"[]":                     "the file is not a JSON object: it does not start with a brace",
		"null":                   "the file is not a JSON object: it does not start with a brace",
		`{"itos": {"0": "a"`:     "the file is not a JSON object: unexpected EOF",
		`{"itos": ["a"]} {}`:     "the file has more than one JSON object",
		"{\"itos\": [\"\xff\"]}": "the file is not valid UTF-8: byte 0xff at line 1, column 12",
		"{}":                     "missing members (1): itos or stoi",
		`{"itos": []}`:           "tables without characters (1): itos",
		`{"itos": 5}`:            "unreadable tables (1): itos is not a JSON object: it does not start with a brace",
		`{"stoi": ["a"]}`:        "unreadable tables (1): stoi is not a JSON object: it does not start with a brace",
		`{"itos": ["a", 5, "bc", null]}`: `itos: tokens that are not one character (3): "" of id 1, "bc" of id 2, "" ` +
			`of id 3; itos: tokens given twice (1): ""`,
		`{"itos": {"0": "a", "0": "b"}}`: `itos: ids of more than one token (1): 0 of "a" and "b"; itos: ids without ` +
			`a token (1): 1`,
		`{"stoi": {"a": 0, "a": 1}}`: `stoi: tokens given twice (1): "a"`,
		`{"stoi": {"a": 1.0, "b": null, "c": "0", "d": -0}}`: `stoi: ids that are not whole numbers (4): 1.0 of "a", ` +
			`null of "b", "0" of "c", …; ` +
			`stoi: ids without a token (4): 0, 1, 2, …`,
		`{"itos": {"00": "a", "+1": "b", "2": "c"}}`: `itos: ids that are not whole numbers (2): 00 of "a", +1 of ` +
			`"b"; itos: ids without a token (2): 0, 1`,
		`{"stoi": {"a": 2, "b": -1, "c": 1}, "vocab_size": 4, "vocab_size": 5}`: `members given twice (1): ` +
			`"vocab_size"; ` +
			`tables that vocab_size disagrees with (1): stoi has 3 characters, vocab_size is 5; stoi: ids outside ` +
			`0…2 (1): -1 of "b"; stoi: ids without a token (1): 0`,
		`{"itos": ["a", "b", "c"], "stoi": {"a": 1, "b": 0}}`: `ids that itos and stoi disagree about (2): 0 of "a" ` +
			`and "b", 1 of "b" and "a"; ids that stoi lacks (1): 2 of "c"`,
		`{"itos": ["a"], "stoi": {"a": 0, "b": 1}}`: `ids that itos lacks (1): 1 of "b"`,
		`{"itos": ["a", "b"], "vocab_size": "2"}`: `tables that vocab_size disagrees with (1): itos has 2 ` +
			`characters, vocab_size is "2"`,
	} {
		path := write(t, "meta.json", content)
		_, err := ReadMeta(path)
		require.EqualError(t, err, "tokenizer: "+path+": "+want, content)
	}
}

// TestNoMetaPanics changes bytes of a valid file. Reading returns an error or a valid vocabulary.
func TestNoMetaPanics(t *testing.T) {
	const good = `{"vocab_size": 3, "itos": {"0": "\n", "1": "a", "2": "é"}, "stoi": {"\n": 0, "a": 1, "é": 2}}`
	rapid.Check(t, func(t *rapid.T) {
		vocabulary, err := parseMeta(damaged(t, good))
		if err == nil {
			_, err = NewCharacters(vocabulary)
			require.NoError(t, err)
		}
	})
}

// damaged replaces some bytes of a file.
func damaged(t *rapid.T, good string) []byte {
	b := []byte(good)
	for range rapid.IntRange(1, 3).Draw(t, "places") {
		at := rapid.IntRange(0, len(b)).Draw(t, "at")
		end := rapid.IntRange(at, min(at+6, len(b))).Draw(t, "end")
		put := rapid.SampledFrom([]string{"", "\"", "{", "}", "[", "]", ":", ",", "0", "-1", "1e3",
			"99999999999999999999", "null", "\n", " ", "\r\n", "#version", "\xff", "\\ud800", "é", "a " +
				"b"}).Draw(t, "put")
		b = append(b[:at:at], append([]byte(put), b[end:]...)...)
	}
	return b
}
