package tokenizer

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// golden is the directory of a part of GPT-2's encoding. testdata/bpe/golden.mjs documents which part
// it is and which program computed the words and ids in cases.json.
const golden = "../../testdata/bpe"

func readGolden(t testing.TB) *BPE {
	b, err := ReadBPE(filepath.Join(golden, "vocab.json"), filepath.Join(golden, "merges.txt"))
	require.NoError(t, err)
	return b
}

type goldenCase struct {
	Text  string
	Words []string
	IDs   []int
}

func goldenCases(t testing.TB) []goldenCase {
	content, err := os.ReadFile(filepath.Join(golden, "cases.json"))
	require.NoError(t, err)
	var cases []goldenCase
	require.NoError(t, json.Unmarshal(content, &cases))
	require.Len(t, cases, 250)
	return cases
}

func words(text string) []string {
	all := []string{}
	for len(text) > 0 {
		n := wordLen(text)
		all = append(all, text[:n])
		text = text[n:]
	}
	return all
}

func TestGolden(t *testing.T) {
	b := readGolden(t).WithoutSpecials() // the oracle had none
	require.Equal(t, 547, b.Size())
	for _, c := range goldenCases(t) {
		require.Equal(t, c.Words, words(c.Text), "%q", c.Text)
		ids, err := b.Encode(c.Text)
		require.NoError(t, err)
		require.True(t, slices.Equal(c.IDs, ids), "%q: %v, want %v", c.Text, ids, c.IDs)
		requireRoundTrip(t, b, c.Text, ids)
	}
}

// TestBPERoundTrip: arbitrary bytes are decoded to themselves, at once or id by id.
func TestBPERoundTrip(t *testing.T) {
	b := readGolden(t)
	cases := goldenCases(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.String(),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
			rapid.Map(rapid.SliceOf(rapid.SampledFrom(cases)), func(texts []goldenCase) string {
				var s strings.Builder
				for _, c := range texts {
					s.WriteString(c.Text)
				}
				return s.String()
			}),
		).Draw(t, "text")
		ids, err := b.Encode(text)
		require.NoError(t, err)
		requireRoundTrip(t, b, text, ids)
	})
}

// TestMerges compares Encode with the definition of the encoding, on arbitrary merges: in an order
// other than that of the ids, and of tokens that several merges build, or that only a later merge
// builds.
func TestMerges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letters := "ab"
		if rapid.Bool().Draw(t, "three letters") {
			letters = "abc"
		}
		var merges []string // by rank, two tokens with a space between them
		tokens := strings.Split(letters, "")
		for range rapid.IntRange(0, 12).Draw(t, "merges") {
			pair := oneOf(t, tokens) + " " + oneOf(t, tokens)
			if both := strings.Replace(pair, " ", "", 1); len(both) <= 8 && !slices.Contains(merges, pair) {
				merges = append(merges, pair)
				if !slices.Contains(tokens, both) {
					tokens = append(tokens, both)
				}
			}
		}
		merges = rapid.Permutation(merges).Draw(t, "ranks")
		b := build(t, rapid.Permutation(tokens[len(letters):]).Draw(t, "ids"), merges)

		text := rapid.StringOfN(rapid.RuneFrom([]rune(letters)), 0, 40, -1).Draw(t, "text")
		ids, err := b.Encode(text)
		require.NoError(t, err)
		got := []string{}
		for _, id := range ids {
			got = append(got, b.tokens[id])
		}
		require.Equal(t, byDefinition(text, merges), got)
	})
}

func oneOf(t *rapid.T, from []string) string { return rapid.SampledFrom(from).Draw(t, "token") }

// build returns an encoding with the single bytes, more tokens and merges.
func build(t require.TestingT, more, merges []string) *BPE {
	vocab := make(map[string]int)
	for i, r := range alphabet {
		vocab[string(r)] = i
	}
	for _, token := range more {
		vocab[token] = len(vocab)
	}
	written, err := json.Marshal(vocab)
	require.NoError(t, err)
	b, err := parseBPE(written, []byte(strings.Join(merges, "\n")), companions{})
	require.NoError(t, err)
	return b
}

// byDefinition encodes a word with the loop of Sennrich et al. (2016), figure 1.
func byDefinition(text string, merges []string) []string {
	word := strings.Split(text, "")
	for {
		best := len(merges)
		for i := range len(word) - 1 {
			if rank := slices.Index(merges, word[i]+" "+word[i+1]); rank >= 0 {
				best = min(best, rank)
			}
		}
		if best == len(merges) {
			return word
		}
		var next []string
		for i := 0; i < len(word); i++ {
			if i+1 < len(word) && word[i]+" "+word[i+1] == merges[best] {
				next = append(next, word[i]+word[i+1])
				i++
			} else {
				next = append(next, word[i])
			}
		}
		word = next
	}
}

// TestLongWords encodes a megabyte without a space, which takes about a second. A quadratic algorithm
// would take hours.
func TestLongWords(t *testing.T) {
	if testing.Short() {
		t.Skip("long words take seconds")
	}
	b := readGolden(t)
	r := rand.New(rand.NewPCG(1, 2))
	mixed := make([]byte, 1<<20)
	for i := range mixed {
		mixed[i] = 'a' + byte(r.IntN(26))
	}
	for name, text := range map[string]string{"one letter": strings.Repeat("a", 1<<20), "letters": string(mixed),
		"spaces": strings.Repeat(" ", 1<<20), "quotes": strings.Repeat("'", 1<<20)} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			ids, err := b.Encode(text)
			require.NoError(t, err)
			require.Less(t, time.Since(start), time.Minute)
			back, err := b.Decode(ids)
			require.NoError(t, err)
			require.True(t, back == text)
		})
	}
}

func BenchmarkEncode(bench *testing.B) {
	var text strings.Builder
	for _, c := range goldenCases(bench)[:80] {
		text.WriteString(c.Text)
	}
	long := strings.Repeat(text.String(), 100)
	characters, err := NewCharacters(string(slices.Compact(slices.Sorted(slices.Values([]rune(long))))))
	require.NoError(bench, err)
	for _, tok := range []Tokenizer{characters, readGolden(bench)} {
		bench.Run(fmt.Sprintf("bytes=%d/%T", len(long), tok), func(bench *testing.B) {
			bench.SetBytes(int64(len(long)))
			for bench.Loop() {
				_, err := tok.Encode(long)
				require.NoError(bench, err)
			}
		})
	}
}
