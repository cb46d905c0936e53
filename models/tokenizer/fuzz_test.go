package tokenizer

import (
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"gorgonorm/internal/hostile"
)

// FuzzBPE reads any vocabulary and merges.
func FuzzBPE(f *testing.F) {
	for _, name := range []string{"vocab.json", "merges.txt"} {
		b, err := os.ReadFile(filepath.Join(golden, name))
		require.NoError(f, err)
		f.Add(b, []byte("#version: 0.2\na b\n"))
		f.Add([]byte(`{"a": 0, "b": 1, "ab": 2}`), b)
	}
	f.Fuzz(func(t *testing.T, vocab, merges []byte) {
		hostile.Allocates(t, len(vocab)+len(merges), func() {
			if b, err := parseBPE(vocab, merges, companions{}); err == nil {
				requireDecoded(t, b, "a b ab")
			}
		})
	})
}

// FuzzMeta reads any meta.json.
func FuzzMeta(f *testing.F) {
	f.Add([]byte(`{"vocab_size": 2, "itos": {"0": "x", "1": "y"}, "stoi": {"x": 0, "y": 1}}`))
	f.Add([]byte(`{"itos": ["\n", "a"], "stoi": {"\n": 4611686018427387904}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		hostile.Allocates(t, len(b), func() {
			vocabulary, err := parseMeta(b)
			if err != nil {
				return
			}
			c, err := NewCharacters(vocabulary)
			if err != nil {
				return
			}
			ids, err := c.Encode(vocabulary)
			require.NoError(t, err)
			text, err := c.Decode(ids)
			require.NoError(t, err)
			require.Equal(t, vocabulary, text)
		})
	})
}

// FuzzTokenizerJSON reads any tokenizer.json.
func FuzzTokenizerJSON(f *testing.F) {
	f.Add([]byte(`{"added_tokens": [{"id": 0, "content": "<s>", "special": true}], "pre_tokenizer": {"type": "ByteLevel"},
		"decoder": {"type": "ByteLevel"}, "model": {"type": "BPE", "vocab": {"a": 1}, "merges": ["a b", ["a", "b"]]}}`))
	f.Add([]byte(`{"model": {"vocab": {"a": 9223372036854775807}, "merges": null}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		hostile.Allocates(t, len(b), func() {
			_, err := parseTokenizerJSON(b, companions{})
			_ = err
		})
	})
}

// FuzzAdded reads any companion files of a vocabulary.
func FuzzAdded(f *testing.F) {
	f.Add([]byte(`{"tokenizer_class": "GPT2Tokenizer", `+
		`"added_tokens_decoder": {"547": {"content": "<x>", "lstrip": true}}}`),
		[]byte(`{"bos_token": "<x>"}`), []byte(`{"<y>": 548}`))
	vocab, err := os.ReadFile(filepath.Join(golden, "vocab.json"))
	require.NoError(f, err)
	merges, err := os.ReadFile(filepath.Join(golden, "merges.txt"))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, config, specials, added []byte) {
		hostile.Allocates(t, len(config)+len(specials)+len(added)+len(vocab)+len(merges), func() {
			var c companions
			if c.readConfig(config) != nil || c.readSpecials(specials) != nil || c.readAdded(added) != nil {
				return
			}
			b, err := parseBPE(vocab, merges, c)
			if err != nil {
				return
			}
			ids, err := b.Encode("a <x> b") // of whose spaces an added token may take some
			require.NoError(t, err)
			_, err = b.Decode(ids)
			require.NoError(t, err)
		})
	})
}

// FuzzEncode encodes any text and decodes it.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "Hello, world's 123 größte\n\n  ", "<|endoftext|>", "\xff\xfe", "日本語 ١٢٣"} {
		f.Add(s)
	}
	b := readGolden(f)
	plain := b.WithoutSpecials()
	f.Fuzz(func(t *testing.T, s string) {
		requireDecoded(t, b, s)
		requireDecoded(t, plain, s)
		if utf8.ValidString(s) && s != "" {
			if c, err := NewCharacters(s); err == nil {
				requireDecoded(t, c, s)
			}
		}
	})
}

// requireDecoded requires that a tokenizer which encodes a text decodes it.
func requireDecoded(t *testing.T, of Tokenizer, s string) {
	t.Helper()
	ids, err := of.Encode(s)
	if err != nil {
		return
	}
	for _, id := range ids {
		require.True(t, 0 <= id && id < of.Size(), "%d of %d", id, of.Size())
	}
	requireRoundTrip(t, of, s, ids)
}
