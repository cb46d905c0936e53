package lab

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

// saved trains a run and returns the path of its weights.
func saved(t *testing.T, c runlog.Config, text *train.Corpus) (path string) {
	t.Helper()
	m, _, err := train.Train(t.Context(), c, text, nil)
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, runlog.WriteFile(path, m.Save))
	return path
}

func from(t *testing.T, c runlog.Config, path, except string) runlog.Config {
	t.Helper()
	c, err := train.StartFrom(c, path, except)
	require.NoError(t, err)
	return c
}

// TestAGridHasOneInit checks that initial weights are identified by their content, in any
// directory.
func TestAGridHasOneInit(t *testing.T) {
	text := corpus(t, verse)
	base := tiny("layer")
	base.Steps = 2
	path := saved(t, base, text)
	other := saved(t, tiny("layer"), text)
	c := from(t, base, path, "")
	lab := Lab{Text: text, Dir: t.TempDir(), Jobs: 1}
	require.NoError(t, lab.Run(t.Context(), []runlog.Config{c}))

	b, err := os.ReadFile(path)
	require.NoError(t, err)
	moved := filepath.Join(t.TempDir(), "moved")
	require.NoError(t, os.WriteFile(moved, b, 0o666))
	pending, _, err := lab.Pending([]runlog.Config{from(t, base, moved, "")})
	require.NoError(t, err)
	require.Empty(t, pending, "the same weights")

	run := "train: " + filepath.Join(lab.Dir, c.ID()) + " belongs to another grid: "
	const rest = " (give another -out, or remove it)"
	_, _, err = lab.Pending([]runlog.Config{from(t, base, other, "")})
	require.EqualError(t, err, run+"init-sha256 is "+c.InitSHA256+", want "+from(t, base, other, "").InitSHA256+rest)
	_, _, err = lab.Pending([]runlog.Config{base})
	require.EqualError(t, err, run+"init-sha256 is "+c.InitSHA256+", want not set"+rest)
	_, _, err = lab.Pending([]runlog.Config{from(t, base, path, "transformer.wte.weight")})
	require.EqualError(t, err, run+"init-except is not set, want transformer.wte.weight"+rest)

	records, err := train.ReadRuns(lab.Dir)
	require.NoError(t, err)
	c.Data, c.DataSHA256, c.Vocabulary = text.Path, text.SHA256, string(text.Vocabulary)
	require.Equal(t, c, records.Runs[0].Config)
}

func TestByReason(t *testing.T) {
	const f64 = "is of type F64, which float32 does not hold"
	require.Equal(t, []string{
		"not in the file: a, transformer.h.{0..1,3}.b",
		"shape (3), want (4): c",
		`not in the model: 100%d.h.x.y, "two words"`,
		"of type F64, which float32 does not hold: e, f",
	}, byReason(transformer.Faults{
		{Name: "a", Reason: "is missing"}, {Name: "c", Reason: "has shape (3), want (4)"},
		{Name: "transformer.h.{0..1,3}.b", Reason: "is missing"}, {Name: "100%d.h.x.y", Reason: "is unexpected"},
		{Name: "e", Reason: f64}, {Name: "two words", Reason: "is unexpected"}, {Name: "f", Reason: f64},
	}))
	require.Empty(t, byReason(nil))
}

func TestAtMostTwentyCharactersAreQuoted(t *testing.T) {
	require.Equal(t, `'a', '\n'`, quoted([]rune("a\n")))
	const first20 = `'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't'`
	require.Equal(t, first20+" and 2 more", quoted([]rune("abcdefghijklmnopqrstuv")))
}
