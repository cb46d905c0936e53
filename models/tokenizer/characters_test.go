package tokenizer

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var (
	_ Tokenizer = (*Characters)(nil)
	_ Tokenizer = (*BPE)(nil)
)

func TestCharacters(t *testing.T) {
	c, err := NewCharacters("\nba é日\ufffd")
	require.NoError(t, err)
	require.Equal(t, 7, c.Size())
	require.Equal(t, "\nba é日\ufffd", c.Vocabulary())
	ids, err := c.Encode("a日b\né \ufffd")
	require.NoError(t, err)
	require.Equal(t, []int{2, 5, 1, 0, 4, 3, 6}, ids)
	text, err := c.Decode(ids)
	require.NoError(t, err)
	require.Equal(t, "a日b\né \ufffd", text)
	ids, err = c.Encode("")
	require.NoError(t, err)
	require.Empty(t, ids)
}

func TestCharactersErrors(t *testing.T) {
	for vocabulary, want := range map[string]string{
		"":            "tokenizer: the vocabulary has no characters",
		"ab\ncaf\xe9": "tokenizer: the vocabulary is not valid UTF-8: byte 0xe9 at line 2, column 4",
		"abcaéé":      `tokenizer: the vocabulary: characters given twice (2): 'a' of ids 0 and 3, 'é' of ids 4 and 5`,
	} {
		_, err := NewCharacters(vocabulary)
		require.EqualError(t, err, want)
	}
	c, err := NewCharacters("ab\né")
	require.NoError(t, err)
	for text, want := range map[string]string{
		"xa": "tokenizer: the text has 1 characters (1 different) that are not in the vocabulary of 4: 'x'; the " +
			"first is at line 1, column 1",
		"a\nébéxyxz日\x00b🙂": `tokenizer: the text has 7 characters (6 different) that are not in the vocabulary of ` +
			`4: ` +
			`'x', 'y', 'z', '日', '\x00', …; the first is at line 2, column 4`,
		"\ufffd": "tokenizer: the text has 1 characters (1 different) that are not in the vocabulary of 4: '�'; the " +
			"first is at line 1, column 1",
		"a\r\nb\r\n": "tokenizer: the text has 2 characters (1 different) that are not in the vocabulary of 4: " +
			"'\\r'; the first is at line 1, column 2; " +
			`the text has 2 lines that end in CRLF, the first is line 1: make the line ends LF, for example with: tr ` +
			`-d '\r' <OLD >NEW`,
		"\ufeffab": "tokenizer: the text has 1 characters (1 different) that are not in the vocabulary of 4: " +
			"'\\ufeff'; the first is at line 1, column 1; " +
			"the text starts with a byte order mark (U+FEFF): remove it, for example with: tail -c +4 OLD >NEW",
		"a\x00b\x00": "tokenizer: the text has 2 characters (1 different) that are not in the vocabulary of 4: " +
			"'\\x00'; the first is at line 1, column 2; " +
			"the text is UTF-16LE, want UTF-8: convert it, for example with: iconv -f UTF-16LE -t UTF-8 OLD >NEW",
		"\xff\xfea\x00": "tokenizer: the text is UTF-16, want UTF-8: convert it, for example with: iconv -f UTF-16 " +
			"-t UTF-8 OLD >NEW",
		"x\né\xff":   "tokenizer: the text is not valid UTF-8: byte 0xff at line 2, column 2",
		"\ufffd\xff": "tokenizer: the text is not valid UTF-8: byte 0xff at line 1, column 2",
		"a\xe6\x97":  "tokenizer: the text is not valid UTF-8: byte 0xe6 at line 1, column 2",
	} {
		_, err := c.Encode(text)
		require.EqualError(t, err, want)
	}
}

func TestDecodeErrors(t *testing.T) {
	c, err := NewCharacters("ab")
	require.NoError(t, err)
	for _, id := range []int{-1, 2, math.MaxInt32} {
		text, err := c.Decode([]int{0, id, 1})
		require.ErrorContains(t, err, " (index 1 of 3) is outside 0…1")
		require.Empty(t, text)
	}
}

// TestAnyCharacterMayBeInAVocabulary, even one that is a sign of a fault in most texts.
func TestAnyCharacterMayBeInAVocabulary(t *testing.T) {
	t.Parallel()
	c, err := NewCharacters("\ufeff\r\n\x00a")
	require.NoError(t, err)
	ids, err := c.Encode("\ufeffa\r\na\x00")
	require.NoError(t, err)
	require.Equal(t, []int{0, 4, 1, 2, 4, 3}, ids)
	_, err = c.Encode("a\r\nb")
	require.ErrorContains(t, err, "not in the vocabulary of 5: 'b'")
	require.NotContains(t, err.Error(), "CRLF")
}

// TestCharactersRoundTrip: an encoded text is decoded to itself, at once or id by id.
func TestCharactersRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		vocabulary := rapid.SliceOfNDistinct(rapid.Rune(), 1, 20, rapid.ID).Draw(t, "vocabulary")
		text := string(rapid.SliceOf(rapid.SampledFrom(vocabulary)).Draw(t, "text"))
		c, err := NewCharacters(string(vocabulary))
		require.NoError(t, err)
		ids, err := c.Encode(text)
		require.NoError(t, err)
		for i, r := range []rune(text) {
			require.Equal(t, r, vocabulary[ids[i]])
		}
		requireRoundTrip(t, c, text, ids)
	})
}

// requireRoundTrip requires that the ids decode to the text, at once and id by id, and that Encode32
// returns the same ids.
func requireRoundTrip(t require.TestingT, tok Tokenizer, text string, ids []int) {
	back, err := tok.Decode(ids)
	require.NoError(t, err)
	require.Equal(t, text, back)
	var stream strings.Builder
	for _, id := range ids {
		part, err := tok.Decode([]int{id})
		require.NoError(t, err)
		require.NotEmpty(t, part)
		stream.WriteString(part)
	}
	require.Equal(t, text, stream.String())
	half, err := tok.Encode32(text)
	require.NoError(t, err)
	require.Len(t, half, len(ids))
	for i, id := range half {
		require.EqualValues(t, ids[i], id)
	}
}
