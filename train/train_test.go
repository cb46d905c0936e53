package train

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// corpus writes a file of text and reads it.
func corpus(t *testing.T, text string) *Corpus {
	t.Helper()
	path := filepath.Join(t.TempDir(), "text.txt")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	c, err := ReadCorpus(path)
	require.NoError(t, err)
	return c
}

func tiny(norm string) Config {
	c := Defaults()
	c.Norm, c.Layers, c.Heads, c.Channels, c.Context, c.Batch = norm, 2, 2, 16, 8, 4
	c.Steps, c.Warmup, c.LR, c.MinLR, c.EvalEvery = 60, 5, 1e-2, 1e-3, 20
	return c
}

var verse = strings.Repeat("the quick brown fox jumps over the lazy dog. ", 40)

func TestLossFallsUnderEveryNorm(t *testing.T) {
	text := corpus(t, verse)
	for _, n := range transformer.Norms {
		t.Run(n.Name, func(t *testing.T) {
			c := tiny(n.Name)
			_, run, err := Train(context.Background(), c, text, nil)
			require.NoError(t, err)
			s := run.Summary
			require.Zero(t, s.DivergedAt)
			require.Len(t, run.Steps, c.Steps)
			uniform := math.Log(float64(len(text.Vocabulary)))
			require.InDelta(t, uniform, float64(s.FirstLoss), 0.2, "the first loss is that of guessing")
			require.Less(t, float64(s.LastLoss), 0.7*uniform)
			require.Less(t, float64(s.BestVal), 0.8*uniform)
			for _, step := range run.Steps {
				require.Equal(t, step.Step%c.EvalEvery == 0, step.ValLoss != nil)
			}
		})
	}
}

// TestDivergenceIsAResult trains at an absurd rate, to the end and with StopOnDivergence.
func TestDivergenceIsAResult(t *testing.T) {
	c := tiny("none")
	c.LR, c.MinLR, c.Warmup, c.Steps = 1e3, 1e3, 0, 200
	_, run, err := Train(context.Background(), c, corpus(t, verse), nil)
	require.NoError(t, err)
	s := run.Summary
	require.Positive(t, s.DivergedAt)
	require.Equal(t, runlog.NonFinite, s.Divergence)
	require.Len(t, run.Steps, 200, "the run continues")
	require.False(t, run.Steps[s.DivergedAt-1].Finite())
	require.Contains(t, s.NonFinite, "transformer.", "the node")

	c.StopOnDivergence = true
	_, stopped, err := Train(context.Background(), c, corpus(t, verse), nil)
	require.NoError(t, err)
	require.True(t, stopped.Summary.Stopped)
	require.LessOrEqual(t, len(stopped.Steps), s.DivergedAt)
	for i, step := range stopped.Steps {
		require.Equal(t, fmt.Sprint(run.Steps[i].Loss, run.Steps[i].GradNorm), fmt.Sprint(step.Loss, step.GradNorm))
	}

	c.Steps = len(stopped.Steps)
	_, whole, err := Train(context.Background(), c, corpus(t, verse), nil)
	require.NoError(t, err)
	require.Len(t, whole.Steps, c.Steps)
	require.False(t, whole.Summary.Stopped, "there was nothing left to stop")
}

func TestACancelledRunKeepsItsSteps(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	_, run, err := Train(ctx, tiny("rms"), corpus(t, verse), func(s Step) {
		if s.Step == 3 {
			cancel()
		}
	})
	require.NoError(t, err)
	require.True(t, run.Summary.Interrupted)
	require.Equal(t, 3, run.Summary.Steps)
	require.Len(t, run.Steps, 3)
}

func TestTrainErrors(t *testing.T) {
	text := corpus(t, verse)
	tooLarge := fmt.Sprintf("train: batch %d of context 8 is more than 16777216 tokens", math.MaxInt)
	unknownNorm := fmt.Sprintf(`transformer: unknown norm "x", want one of %q`, transformer.NormNames())
	for want, change := range map[string]func(*Config){
		"train: steps is 0, want 1 or more":               func(c *Config) { c.Steps = 0 },
		"train: batch is -1, want 1 or more":              func(c *Config) { c.Batch = -1 },
		"train: landscape-every is -1, want 0 or more":    func(c *Config) { c.LandscapeEvery = -1 },
		"train: statistics-batches is -1, want 0 or more": func(c *Config) { c.StatisticsBatches = -1 },
		"train: lr is NaN, want a number from 0 to 1000":  func(c *Config) { c.LR = math.NaN() },
		"transformer: 3 heads do not divide 16 channels":  func(c *Config) { c.Heads = 3 },
		unknownNorm: func(c *Config) { c.Norm = "x" },
		tooLarge:    func(c *Config) { c.Batch = math.MaxInt },
		"train: batch 1 of context 1 has 1 tokens, the norm batch needs 2 or more": func(c *Config) {
			c.Norm, c.Batch, c.Context = "batch", 1, 1
		},
		"transformer: the model has 1.2e+17 parameters, want at most 2e+09": func(c *Config) {
			c.Channels, c.Layers = 1e8, 1
		},
	} {
		c := tiny("layer")
		change(&c)
		_, _, err := Train(context.Background(), c, text, nil)
		require.EqualError(t, err, want)
	}
	c := tiny("layer")
	c.Context = 180
	_, _, err := Train(context.Background(), c, text, nil)
	require.ErrorContains(t, err, "is too short: its validation part has 180 characters, a context of 180 needs 181")
}

func TestCorpus(t *testing.T) {
	c := corpus(t, "bébé à la plage")
	require.Equal(t, " abeglpàé", string(c.Vocabulary))
	var back []rune
	for _, id := range append(c.Train[:len(c.Train):len(c.Train)], c.Val...) {
		back = append(back, c.Vocabulary[id])
	}
	require.Equal(t, "bébé à la plage", string(back))
	require.Len(t, c.Train, 13)
	require.Len(t, c.SHA256, 64)

	dir := t.TempDir()
	for content, want := range map[string]string{
		"":                   "is empty",
		"a\ncaf\xe9":         "is not valid UTF-8: byte 0xe9 at line 2, column 4",
		"\ufeffabc":          "starts with a byte order mark (U+FEFF): remove it, for example with: tail -c +4 OLD >NEW",
		"\xff\xfea\x00b\x00": "is UTF-16, want UTF-8: convert it, for example with: iconv -f UTF-16 -t UTF-8 OLD >NEW",
		"a\r\nb\r\n": "has 2 lines that end in CRLF, the first is line 1: " +
			`make the line ends LF, for example with: tr -d '\r' <OLD >NEW`,
		"aaaa": "has one character only, 'a': there is nothing to learn",
	} {
		path := filepath.Join(dir, "bad.txt")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
		_, err := ReadCorpus(path)
		require.EqualError(t, err, "train: the text "+path+" "+want)
	}
	_, err := ReadCorpus(filepath.Join(dir, "none.txt"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestATextTakesNineBytesPerByte counts the bytes allocated, garbage included, to read a text
// of one byte per character and to encode it in another vocabulary: the text, and twice an
// id of four bytes for each character.
func TestATextTakesNineBytesPerByte(t *testing.T) {
	text := strings.Repeat(verse, 1000)
	path := filepath.Join(t.TempDir(), "text.txt")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	var before, read, renamed runtime.MemStats
	runtime.ReadMemStats(&before)
	c, err := ReadCorpus(path)
	runtime.ReadMemStats(&read)
	require.NoError(t, err)
	in, _ := c.WithVocabulary([]rune(verse[:45] + "é"))
	runtime.ReadMemStats(&renamed)
	require.Len(t, in.Train, len(c.Train))
	const slack = 1 << 17
	require.Less(t, int(read.TotalAlloc-before.TotalAlloc), 5*len(text)+slack)
	require.Less(t, int(renamed.TotalAlloc-before.TotalAlloc), 9*len(text)+slack)
	require.Less(t, 9*len(text)+slack, 10*len(text))
}

func TestDefaultTextComesWithGo(t *testing.T) {
	path, err := DefaultText()
	require.NoError(t, err)
	c, err := ReadCorpus(path)
	require.NoError(t, err)
	require.Greater(t, len(c.Train), 500_000)

	t.Setenv("GOROOT", t.TempDir())
	_, err = DefaultText()
	require.ErrorContains(t, err, "give a text with -data")
}

func TestBatchesDependOnTheSeed(t *testing.T) {
	text := make([]int32, 50)
	for i := range text {
		text[i] = int32(i)
	}
	draw := func(seed uint64) (all []int) {
		b := newBatches(text, 4, seed)
		ids, targets := make([]int, 8), make([]int, 8)
		for range 200 {
			b.next(ids, targets)
			for i := range ids {
				require.Equal(t, ids[i]+1, targets[i])
				require.Equal(t, ids[i/4*4]+i%4, ids[i])
			}
			all = append(all, ids...)
		}
		return all
	}
	first := draw(1)
	require.Equal(t, first, draw(1))
	require.NotEqual(t, first, draw(2))
	require.Contains(t, first, 0)
	require.Contains(t, first, 48, "the last place whose target is in the text")
}

func TestWindows(t *testing.T) {
	for _, c := range []struct {
		text, context, batch, most int
		want                       []int
	}{
		{6, 5, 2, 10, []int{0}},
		{11, 5, 1, 10, []int{0}},
		{21, 5, 1, 2, []int{0, 8}},
		{21, 5, 1, 10, []int{0, 5, 10}},
		{21, 5, 2, 10, []int{0, 8}},      // full batches only
		{21, 5, 12, 10, []int{0, 5, 10}}, // or a part of one
	} {
		require.Equal(t, c.want, windows(make([]int32, c.text), c.context, c.batch, c.most))
	}
	long := windows(make([]int32, 1<<17), 1, 1, math.MaxInt) // place times windows exceeds 32 bits
	require.Len(t, long, 1<<17-1)
	require.Equal(t, 1<<17-2, long[len(long)-1])
}

func TestRate(t *testing.T) {
	c := Config{LR: 1, MinLR: 0.1, Warmup: 3, Steps: 11}
	for step, want := range map[int]float64{
		0: 0.25, 2: 0.75, 3: 1, 7: 0.55, 11: 0.1, 50: 0.1,
		5: 0.1 + 0.9*(1+math.Sqrt2/2)/2, // cos(π/4)
	} {
		require.InDelta(t, want, rate(c, step), 1e-15, "step %d", step)
	}
	require.Equal(t, 1.0, rate(Config{LR: 1, MinLR: 0.1, Steps: 10}, 0), "no warm-up")
}
