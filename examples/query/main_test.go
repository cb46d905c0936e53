package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/lab"
	"gorgonorm/train"
)

// trained returns a directory of two tiny runs and a broken one.
func trained(t *testing.T) string {
	t.Helper()
	dir, text := t.TempDir(), filepath.Join(t.TempDir(), "text.txt")
	require.NoError(t, os.WriteFile(text, []byte(strings.Repeat("the quick brown fox. ", 60)), 0o666))
	corpus, err := train.ReadCorpus(text)
	require.NoError(t, err)
	base := train.Defaults()
	base.Placement, base.Layers, base.Heads, base.Channels, base.Context = "pre", 1, 1, 8, 8
	base.Batch, base.Steps, base.Warmup, base.EvalEvery, base.ProbeEvery = 2, 4, 1, 2, 2
	g := lab.Grid{Base: base, Norms: []string{"layer", "rms", "none"}, LRs: []float64{0.01}, Seeds: 1}
	require.NoError(t, (&lab.Lab{Text: corpus, Dir: dir, Jobs: 1}).Run(t.Context(), g.Configs()))
	require.NoError(t, os.Remove(filepath.Join(dir, "none-pre-lr0.01-seed1", "summary.json")))
	return dir
}

func query(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = run(t.Context(), args, &out, &err)
	return status, out.String(), err.String()
}

func TestQuery(t *testing.T) {
	t.Parallel()
	dir := trained(t)
	status, stdout, stderr := query(t, "-out", dir)
	require.Zero(t, status, stderr)
	require.Contains(t, stderr, "none-pre-lr0.01-seed1 is left out because it is broken: ")
	require.Len(t, strings.Split(strings.TrimSpace(stdout), "\n"), 3)
	require.Contains(t, stdout, "last_val")

	r, err := train.ReadRun(filepath.Join(dir, "rms-pre-lr0.01-seed1"))
	require.NoError(t, err)
	_, stdout, _ = query(t, "-out", dir, "-run", "r?s-*", "-measure", "loss, val_loss", "-format", "csv")
	lines, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	require.NoError(t, err)
	require.Len(t, lines, 5)
	for i, s := range r.Steps {
		b, err := json.Marshal(s.Loss)
		require.NoError(t, err)
		require.Equal(t, string(b), lines[i+1][7], "all digits")
	}
	_, stdout, _ = query(t, "-out", dir, "-measure", "residual_rms", "-format", "json")
	var objects []struct {
		Run   string
		Step  int
		Place string
		Value float64 `json:"residual_rms"`
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &objects))
	require.Len(t, objects, 2*3*2, "runs × probes × places")

	events := filepath.Join(t.TempDir(), "events")
	status, stdout, stderr = query(t, "-out", dir, "-tensorboard", events)
	require.Zero(t, status, stderr)
	require.Empty(t, stdout)
	files, err := filepath.Glob(filepath.Join(events, "*", "*tfevents*"))
	require.NoError(t, err)
	require.Len(t, files, 2)
}

func TestQueryOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	dir := trained(t)
	for _, c := range []struct {
		status int
		want   string
		args   []string
	}{
		{cli.Misused, `there is no measure "losses", want some of`, []string{"-measure", "losses"}},
		{cli.Misused, `the measure "loss" is named twice`, []string{"-measure", "loss, loss"}},
		{cli.Misused, `the format is "xml", want table, csv or json`, []string{"-format", "xml"}},
		{cli.Misused, `-run is "[": syntax error in pattern`, []string{"-run", "["}},
		{cli.Failed, "there are no runs in ", []string{"-out", t.TempDir()}},
		{cli.Failed, `has a name like "batch-*", such as layer-pre-lr0.01-seed1`, []string{"-out", dir, "-run", "batch-*"}},
		{cli.Failed, "the runs have none of these measures", []string{"-out", dir, "-measure", "domain_val"}},
	} {
		status, stdout, stderr := query(t, c.args...)
		require.Equal(t, c.status, status, stderr)
		require.Contains(t, stderr, c.want)
		require.Empty(t, stdout)
	}
	status, stdout, _ := query(t, "-h")
	require.Zero(t, status)
	require.Contains(t, stdout, "  residual_rms ")
	for line := range strings.Lines(stdout) {
		require.LessOrEqual(t, len([]rune(line)), 81, line)
	}
}
