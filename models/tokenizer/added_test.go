package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// goldenSet holds added tokens, and texts with their ids by Hugging Face's tokenizers
// (testdata/bpe/special.mjs makes them).
type goldenSet struct {
	Name  string
	Added []json.RawMessage
	Cases []struct {
		Text          string
		IDs, Ordinary []int
	}
}

func goldenSets(t testing.TB) (sets []goldenSet) {
	content, err := os.ReadFile(filepath.Join(golden, "special.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(content, &sets))
	require.Len(t, sets, 6)
	return sets
}

// goldenDirectory makes a directory with the small encoding and more files.
func goldenDirectory(t testing.TB, more map[string]string) string {
	dir := t.TempDir()
	for _, name := range []string{"vocab.json", "merges.txt"} {
		b, err := os.ReadFile(filepath.Join(golden, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o666))
	}
	for name, content := range more {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666))
	}
	return dir
}

func readDirectory(dir string) (*BPE, error) {
	return ReadBPE(filepath.Join(dir, "vocab.json"), filepath.Join(dir, "merges.txt"))
}

// config returns a tokenizer_config.json with added tokens.
func config(t testing.TB, added []json.RawMessage) string {
	decoder := make(map[string]json.RawMessage)
	for _, token := range added {
		var id struct{ ID int }
		require.NoError(t, json.Unmarshal(token, &id))
		decoder[strconv.Itoa(id.ID)] = token
	}
	b, err := json.Marshal(map[string]any{"added_tokens_decoder": decoder, "tokenizer_class": "GPT2Tokenizer"})
	require.NoError(t, err)
	return string(b)
}

// TestAddedTokensEqualHuggingFaces: the longest first, in two passes, with the white space that they
// strip, only as single words, or as ordinary text; from either file.
func TestAddedTokensEqualHuggingFaces(t *testing.T) {
	t.Parallel()
	for _, set := range goldenSets(t) {
		fromConfig := func() (*BPE, error) {
			return readDirectory(goldenDirectory(t, map[string]string{"tokenizer_config.json": config(t, set.Added)}))
		}
		fromOne := func() (*BPE, error) { return ReadTokenizerJSON(write(t, "tokenizer.json", oneFile(t, set.Added))) }
		for file, read := range map[string]func() (*BPE, error){"tokenizer_config.json": fromConfig,
			"tokenizer.json": fromOne} {
			t.Run(set.Name+"/"+file, func(t *testing.T) {
				b, err := read()
				require.NoError(t, err)
				ordinary := b.WithoutSpecials()
				for _, c := range set.Cases {
					ids, err := b.Encode(c.Text)
					require.NoError(t, err)
					require.Equal(t, c.IDs, ids, "%q", c.Text)
					if !strips(set) {
						requireRoundTrip(t, b, c.Text, ids)
					}
					ids, err = ordinary.Encode(c.Text)
					require.NoError(t, err)
					require.Equal(t, c.Ordinary, ids, "%q without special tokens", c.Text)
				}
			})
		}
	}
}

// strips reports whether a token strips white space, which decoding cannot restore.
func strips(set goldenSet) bool {
	return slices.ContainsFunc(set.Added,
		func(b json.RawMessage) bool { return strings.Contains(string(b), `strip":true`) })
}

// TestEndOfText is an added token even if no file declares it, as in GPT-2's own files.
func TestEndOfText(t *testing.T) {
	t.Parallel()
	b := readGolden(t)
	id, err := b.Special("<|endoftext|>")
	require.NoError(t, err)
	require.Equal(t, b.Size()-1, id)
	ids, err := b.Encode("a<|endoftext|>")
	require.NoError(t, err)
	require.Equal(t, []int{64, id}, ids)
	text, err := b.Decode(ids)
	require.NoError(t, err)
	require.Equal(t, "a<|endoftext|>", text)

	ordinary := b.WithoutSpecials()
	ids, err = ordinary.Encode("<|endoftext|>")
	require.NoError(t, err)
	require.NotContains(t, ids, id)
	again, err := ordinary.Special("<|endoftext|>")
	require.NoError(t, err)
	require.Equal(t, id, again)

	_, err = b.Special("<pad>")
	require.EqualError(t, err, `tokenizer: there is no special token "<pad>", only ["<|endoftext|>"]`)
}

// TestTokensOutsideTheByteAlphabet stand for themselves.
func TestTokensOutsideTheByteAlphabet(t *testing.T) {
	t.Parallel()
	b, err := parseBPE(vocabulary(t, "<|a b|>", "<｜終｜>", "ab", "<|a b|>\n"), []byte("a b"), companions{})
	require.NoError(t, err)
	const text = "ab<|a b|><｜終｜><|a b|>\n"
	ids, err := b.Encode(text)
	require.NoError(t, err)
	require.Equal(t, []int{258, 256, 257, 259}, ids)
	requireRoundTrip(t, b, text, ids)
	id, err := b.Special("<｜終｜>")
	require.NoError(t, err)
	require.Equal(t, 257, id)
	ids, err = b.WithoutSpecials().Encode("<｜終｜>")
	require.NoError(t, err)
	require.Len(t, ids, len("<｜終｜>"))
}

// TestCompanionFiles in every format that the transformers library has written.
func TestCompanionFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files    map[string]string
		text     string
		want     []int
		ordinary int // number of tokens if special ones are ordinary text
	}{
		"added tokens": {map[string]string{"added_tokens.json": `{"<sep>": 548, "<pad>": 547}`}, "<pad><sep>",
			[]int{547, 548}, 2},
		"special by their role": {map[string]string{
			"added_tokens.json": `{"<pad>": 547, "<x>": 548, "<y>": 549}`,
			"special_tokens_map.json": `{"pad_token": "<pad>", "bos_token": "<|endoftext|>", "sep_token": null, ` +
				`"cls_token": "", "additional_special_tokens": ["<x>", {"content": "<y>"}]}`,
		}, "<pad><|endoftext|><x><y>", []int{547, 546, 548, 549}, 20},
		"in the vocabulary": {map[string]string{"tokenizer_config.json": `{"eos_token": "...", ` +
			`"extra_special_tokens": {"b": "er", "a": "in"}}`}, "....in er", nil, 5},
		"an object": {map[string]string{
			"added_tokens.json": `{"<m>": 547}`,
			"special_tokens_map.json": `{"mask_token": {"content": "<m>", "lstrip": true, "normalized": true, ` +
				`"rstrip": false, "single_word": false, "__type": "AddedToken"}}`,
		}, "a <m> a", []int{64, 547, 257}, 6},
		"the configuration determines matching": {map[string]string{
			"added_tokens.json": `{"<m>": 547}`,
			"tokenizer_config.json": `{"added_tokens_decoder": {"547": {"content": "<m>", "rstrip": true}}, ` +
				`"extra_special_tokens": ["<m>"], "add_prefix_space": false, "pad_token": null}`,
		}, "a <m> a", []int{64, 220, 547, 64}, 6},
		"a mark and comments": {map[string]string{"added_tokens.json": "\ufeff// by hand\n{\n\n\"<pad>\": 547}\n"},
			"<pad>", []int{547}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := readDirectory(goldenDirectory(t, c.files))
			require.NoError(t, err)
			ids, err := b.Encode(c.text)
			require.NoError(t, err)
			if c.want == nil {
				c.want = []int{special(t, b, "..."), 13, special(t, b, "in"), 220, special(t, b, "er")}
			}
			require.Equal(t, c.want, ids)
			ids, err = b.WithoutSpecials().Encode(c.text)
			require.NoError(t, err)
			require.Len(t, ids, c.ordinary)
		})
	}
}

func special(t testing.TB, b *BPE, token string) int {
	id, err := b.Special(token)
	require.NoError(t, err)
	return id
}

func TestInvalidCompanionFiles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, content, want string }{
		"no JSON": {"added_tokens.json", "[]",
			"DIR/added_tokens.json: is not a JSON object: it does not start with a brace"},
		"UTF-16": {"special_tokens_map.json", "\xff\xfe{\x00}\x00",
			"DIR/special_tokens_map.json: is UTF-16, want UTF-8"},
		"another kind of JSON": {"tokenizer_config.json", `{"eos_token": 5}`,
			"DIR/tokenizer_config.json: has unexpected content: json: cannot unmarshal number"},
		"no id": {"added_tokens.json", `{"<pad>": "1"}`,
			`DIR/added_tokens.json: "<pad>" has the id "1", want a whole number`},
		"a negative id": {"tokenizer_config.json", `{"added_tokens_decoder": {"-1": {"content": "x"}}}`,
			`added_tokens_decoder has "-1" for an id, want a whole number`},
		"a hole": {"added_tokens.json", `{"<pad>": 549}`,
			`vocabulary: ids outside 0…547 (1): 549 of "<pad>"; vocabulary: ids without a token (1): 547`},
		"a huge id": {"added_tokens.json", `{"<pad>": 9223372036854775807}`,
			`vocabulary: ids outside 0…547 (1): 9223372036854775807 of "<pad>"`},
		"an id twice": {"added_tokens.json", `{"<pad>": 546}`,
			`vocabulary: ids of more than one token (1): 546 of "<|endoftext|>" and "<pad>"`},
		"another id": {"added_tokens.json", `{"<|endoftext|>": 0}`,
			`added tokens: with two ids (1): "<|endoftext|>" is 546, but 0 in added_tokens.json`},
		"a token twice": {"added_tokens.json", `{"<pad>": 547, "<pad>": 548}`,
			`added tokens: with two ids (1): "<pad>" is 547, but 548 in added_tokens.json`},
		"no id anywhere": {"special_tokens_map.json", `{"pad_token": "[PAD]"}`,
			`added tokens: without an id in any file (1): "[PAD]"`},
		"no text": {"added_tokens.json", `{"": 547}`, `added tokens: without text (1): in added_tokens.json`},
		"other bytes": {"special_tokens_map.json", `{"eos_token": "Ċ"}`,
			`added tokens: whose entry in the vocabulary stands for other bytes (1): "Ċ" for "\n"`},
		"another class": {"tokenizer_config.json", `{"tokenizer_class": "Qwen2Tokenizer"}`,
			`tokenizer_config.json: classes other than GPT-2's (1): "Qwen2Tokenizer" (tokenizer.json would describe ` +
				`it)`},
		"other settings": {"tokenizer_config.json", `{"add_prefix_space": true, "add_bos_token": true}`,
			`tokenizer_config.json: unsupported settings (2): add_prefix_space is true, want false, add_bos_token is ` +
				`true, want false`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := goldenDirectory(t, map[string]string{c.file: c.content})
			_, err := readDirectory(dir)
			require.ErrorContains(t, err, strings.ReplaceAll(c.want, "DIR", dir))
			require.ErrorContains(t, err, "tokenizer: "+dir)
		})
	}
}

// TestNoAddedTokenPanics changes bytes of valid files. Reading returns an error, or an encoding that
// encodes and decodes.
func TestNoAddedTokenPanics(t *testing.T) {
	t.Parallel()
	vocab, merges := vocabulary(t, "ab", "<|endoftext|>"), []byte("a b\n")
	rapid.Check(t, func(t *rapid.T) {
		var c companions
		errs := []error{
			c.readConfig(damaged(t,
				`{"tokenizer_class": "GPT2Tokenizer", "added_tokens_decoder": {"258": {"content": "<a>", "lstrip": `+
					`true, "special": true}}, "pad_token": "<a>"}`)),
			c.readSpecials(damaged(t,
				`{"eos_token": {"content": "<|endoftext|>"}, "additional_special_tokens": ["<a>", "<b>"]}`)),
			c.readAdded(damaged(t, `{"<a>": 258, "<b>": 259}`)),
		}
		for _, err := range errs {
			if err != nil {
				return
			}
		}
		b, err := parseBPE(vocab, merges, c)
		if err == nil {
			ids, err := b.Encode("ab <a><b> \n<|endoftext|>")
			require.NoError(t, err)
			_, err = b.Decode(ids)
			require.NoError(t, err)
		}
	})
}

// TestEncodingAllocatesOnlyIds: 8 or 4 bytes per byte of the text, garbage included, however the
// text is split.
func TestEncodingAllocatesOnlyIds(t *testing.T) {
	differentWords := func(n int) string {
		var s strings.Builder
		for i := range n {
			s.WriteByte(' ')
			for ; i > 0; i /= 26 {
				s.WriteByte('a' + byte(i%26))
			}
		}
		return s.String()
	}
	for name, s := range map[string]string{
		"prose":           strings.Repeat("the quick brown fox isn't in there.\n", 60_000),
		"different words": differentWords(400_000),
		"one-byte tokens": strings.Repeat("\x00\x01~ ", 500_000),
		"special tokens":  strings.Repeat("<|endoftext|>a", 150_000),
	} {
		t.Run(name, func(t *testing.T) {
			characters, err := NewCharacters("\n \x00\x01'.,<>|~abcdefghijklmnopqrstuvwxyz0123456789")
			require.NoError(t, err)
			for _, tok := range []Tokenizer{readGolden(t), characters} {
				var before, between, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err = tok.Encode(s)
				runtime.ReadMemStats(&between)
				require.NoError(t, err)
				_, err = tok.Encode32(s)
				runtime.ReadMemStats(&after)
				require.NoError(t, err)
				more := len(s)/10 + 160*rememberedWords // whose memory is limited
				require.Less(t, int(between.TotalAlloc-before.TotalAlloc), 8*len(s)+more, "%T, %d bytes", tok, len(s))
				require.Less(t, int(after.TotalAlloc-between.TotalAlloc), 4*len(s)+more, "%T, %d bytes", tok, len(s))
			}
		})
	}
}
