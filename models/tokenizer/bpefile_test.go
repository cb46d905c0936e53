package tokenizer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestAlphabet checks the characters of some bytes in GPT-2's encoder.json.
func TestAlphabet(t *testing.T) {
	for b, written := range map[byte]rune{' ': 'Ġ', '\n': 'Ċ', '\t': 'ĉ', 0: 'Ā', 0x7f: 'ġ', 0xa0: 'ł', 0xad: 'Ń',
		'!': '!', '~': '~', 0xa1: '¡', 0xac: '¬', 0xae: '®', 0xff: 'ÿ'} {
		require.Equal(t, string(written), string(alphabet[b]))
	}
}

func TestMergesFile(t *testing.T) {
	vocab := vocabulary(t, "ab", "abc", "#version", "#v")
	for name, merges := range map[string]string{
		"as GPT-2's":   "#version: 0.2\na b\nab c\n",
		"no version":   "a b\nab c",
		"Windows":      "#version: 0.2\r\na b\r\nab c\r\n",
		"blank at end": "a b\nab c\n\n\r\n\n",
		"blank lines":  "\n\r\na b\n \n\t\nab c",
		"comments":     "#version: 0.2\n# by hand, in 2024\n# a\na b\n# version 2\n#\nab c\n#the end",
		"a mark":       "\ufeff#version: 0.2\na b\nab c",
	} {
		t.Run(name, func(t *testing.T) {
			b, err := parseBPE(vocab, []byte(merges), companions{})
			require.NoError(t, err)
			ids, err := b.Encode("abcab")
			require.NoError(t, err)
			require.Equal(t, []int{257, 256}, ids)
		})
	}
	hash, err := parseBPE(vocabulary(t, "##"), []byte("# #\n"), companions{})
	require.NoError(t, err)
	require.Len(t, hash.merges, 1, "a merge of # is not a comment")
	commented := append([]byte("\ufeff// the bytes\n"), vocab...)
	_, err = parseBPE(commented, []byte("a b\nab c"), companions{})
	require.NoError(t, err)
	b, err := parseBPE(vocabulary(t), nil, companions{})
	require.NoError(t, err, "a vocabulary of bytes alone has no merges")
	ids, err := b.Encode("ab")
	require.NoError(t, err)
	require.Equal(t, []int{'a', 'b'}, ids)
}

// TestTruncatedMerges: a list that is cut off or missing is an error.
func TestTruncatedMerges(t *testing.T) {
	t.Parallel()
	vocab := vocabulary(t, "ab", "abc", "abcd", "unused")
	for merges, want := range map[string]string{
		"a b\nab c\nabc d": "",
		"a b\nab c":        "",
		"a b":              `vocabulary: tokens that no merge makes, more than half (3): "abc", "abcd", "unused"`,
		"":                 `vocabulary: tokens that no merge makes, more than half (4): "ab", "abc", "abcd", …`,
	} {
		_, err := parseBPE(vocab, []byte(merges), companions{})
		if want == "" {
			require.NoError(t, err, merges)
		} else {
			require.EqualError(t, err, want)
		}
	}
	_, err := parseTokenizerJSON([]byte(`{"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false}, `+
		`"model": {"vocab": `+string(vocab)+`}}`), companions{})
	require.ErrorContains(t, err, "tokens that no merge makes, more than half (4)")
}

// vocabulary returns a vocab.json with the single bytes, whose ids are the bytes, and more tokens.
func vocabulary(t *testing.T, more ...string) []byte {
	var b bytes.Buffer
	for i, r := range alphabet {
		fmt.Fprintf(&b, ", %s: %d", quoted(t, string(r)), i)
	}
	for i, token := range more {
		fmt.Fprintf(&b, ", %s: %d", quoted(t, token), 256+i)
	}
	return append([]byte("{"), append(b.Bytes()[2:], '}')...)
}

func quoted(t *testing.T, s string) string {
	b, err := json.Marshal(s)
	require.NoError(t, err)
	return string(b)
}

func TestReadBPEErrors(t *testing.T) {
	good := string(vocabulary(t, "ab"))
	without := func(old, new string) string {
		require.Contains(t, good, old)
		return strings.Replace(good, old, new, 1)
	}
	for _, c := range []struct{ name, vocab, merges, want string }{
		{"nothing", "", "", "the vocabulary is not a JSON object: unexpected EOF"},
		{"a list", `["a"]`, "", "the vocabulary is not a JSON object: it does not start with a brace"},
		{"cut off", good[:len(good)-1], "", "the vocabulary is not a JSON object: unexpected EOF"},
		{"two objects", good + good, "", "the vocabulary has more than one JSON object"},
		{"no text", without(`"a"`, "\"\xff\""), "",
			"the vocabulary is not valid UTF-8: byte 0xff at line 1, column 883"},
		{"no ints", without(`"ab": 256`, `"ab": "256"`), "",
			`vocabulary: ids that are not whole numbers (1): "256" of "ab"; vocabulary: ids without a token (1): 256`},
		{"a hole", without(`"ab": 256`, `"ab": 257`), "a b",
			`vocabulary: ids outside 0…256 (1): 257 of "ab"; vocabulary: ids without a token (1): 256`},
		{"an id twice", without(`"ab": 256`, `"ab": 98`), "a b",
			`vocabulary: ids of more than one token (1): 98 of "b" and "ab"; vocabulary: ids without a token (1): 256`},
		{"a token twice", without(`"ab": 256`, `"b": 256`), "", `vocabulary: tokens given twice (1): "b"`},
		{"an empty token", without(`"ab"`, `""`), "", `vocabulary: tokens that are empty (1): of id 256`},
		{"few bytes", `{"a": 0, "b": 1, "Ġ": 2}`, "",
			`vocabulary: bytes without a token (253): 0x00, written Ā, 0x01, written ā, 0x02, written Ă, …`},
		{"lines", good, "a b\n\nab\na b c\n", `merges: not of two tokens (2): line 3: "ab", line 4: "a b c"`},
		{"merges in UTF-16", good, "\xff\xfea\x00 \x00b\x00",
			`the list of merges is UTF-16, want UTF-8: convert it, for example with: iconv -f UTF-16 -t UTF-8 OLD ` +
				`>NEW`},
		{"unknown parts", good, "a b\nab xy\nxy ab\n a\n",
			`merges: of tokens that the vocabulary lacks (3): line 2: "ab xy", line 3: "xy ab", line 4: " a"; ` +
				`merges: into tokens that the vocabulary lacks (2): line 2: "ab xy", line 3: "xy ab"`},
		{"unknown result", good, "a b\na c\n", `merges: into tokens that the vocabulary lacks (1): line 2: "a c"`},
		{"a merge twice", good, "a b\na b\n", `merges: given twice (1): line 2: "a b"`},
		{"both files", without(`"ab": 256`, `"ab": 300, "é ": 1.5`), "a b\nb b",
			`vocabulary: ids outside 0…257 (1): 300 of "ab"; vocabulary: ids that are not whole numbers (1): 1.5 of ` +
				`"é "; ` +
				`vocabulary: ids without a token (2): 256, 257; merges: into tokens that the vocabulary lacks (1): ` +
				`line ` +
				`2: "b b"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			v, m := write(t, "vocab.json", c.vocab), write(t, "merges.txt", c.merges)
			_, err := ReadBPE(v, m)
			require.EqualError(t, err, "tokenizer: "+v+" with "+m+": "+c.want)
		})
	}
	none := filepath.Join(t.TempDir(), "none")
	_, err := ReadBPE(none, write(t, "merges.txt", ""))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "tokenizer: reading the tokens")
	_, err = ReadBPE(write(t, "vocab.json", good), none)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "tokenizer: reading the merges")
}

// TestNoBPEPanics changes bytes of valid files. Reading returns an error, or an encoding that encodes
// and decodes.
func TestNoBPEPanics(t *testing.T) {
	vocab, merges := string(vocabulary(t, "ab", "abc", "cc", "<|endoftext|>")), "#version: 0.2\na b\nab c\nc c\n"
	rapid.Check(t, func(t *rapid.T) {
		v, m := []byte(vocab), []byte(merges)
		if rapid.Bool().Draw(t, "the vocabulary") {
			v = damaged(t, vocab)
		} else {
			m = damaged(t, merges)
		}
		b, err := parseBPE(v, m, companions{})
		if err == nil {
			const text = "abcc <|endoftext|>\n"
			ids, err := b.Encode(text)
			require.NoError(t, err)
			requireRoundTrip(t, b, text, ids)
		}
	})
}
