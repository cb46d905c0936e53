package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/examples/internal/cli"

	"gorgonorm/train"
)

func textFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "text.txt")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	return path
}

var verse = strings.Repeat("the quick brown fox jumps over the lazy dog. ", 40)

// small are flags of a model that trains in no time.
func small(t *testing.T, more ...string) (args []string, out string) {
	out = filepath.Join(t.TempDir(), "deep", "runs")
	return append([]string{"-data", textFile(t, verse), "-out", out, "-steps", "4", "-eval-every", "2",
		"-layers", "1", "-heads", "2", "-channels", "8", "-context", "8", "-batch", "2"}, more...), out
}

func TestRunUnderEveryNorm(t *testing.T) {
	args, out := small(t)
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(context.Background(), args, &stdout, &stderr), stderr.String())
	for _, norm := range []string{"none", "batch", "layer", "rms"} {
		require.Contains(t, stdout.String(), norm)
		require.Contains(t, stderr.String(), "step 4/4")
		r, err := train.ReadRun(filepath.Join(out, norm))
		require.NoError(t, err)
		require.Equal(t, norm, r.Config.Norm)
		require.Len(t, r.Steps, 4)
	}
	c, err := train.ReadRun(filepath.Join(out, "layer"))
	require.NoError(t, err)
	require.Equal(t, 1e-3, c.Config.LR)
	require.Equal(t, 1e-4, c.Config.MinLR)
	require.Equal(t, 1, c.Config.Warmup, "a third of 4 steps")

	page, err := os.ReadFile(filepath.Join(out, "report.html"))
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(page), "<svg"))
}

func TestDivergedRunsDoNotStopTheOthers(t *testing.T) {
	args, out := small(t, "-norms", "none,layer", "-lr", "1000", "-warmup", "0", "-steps", "200")
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(context.Background(), args, &stdout, &stderr), stderr.String())
	none, err := train.ReadRun(filepath.Join(out, "none"))
	require.NoError(t, err)
	require.Positive(t, none.Summary.DivergedAt)
	require.Contains(t, stderr.String(), "diverged at step")
	_, err = train.ReadRun(filepath.Join(out, "layer"))
	require.NoError(t, err)
}

// stopAfter cancels a context once enough lines have been written.
type stopAfter struct {
	bytes.Buffer
	lines int
	stop  func()
}

func (s *stopAfter) Write(p []byte) (int, error) {
	n, err := s.Buffer.Write(p)
	if strings.Count(s.String(), "\n") >= s.lines {
		s.stop()
	}
	return n, err
}

func TestStoppingWritesWhatWasFinished(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	stderr := &stopAfter{lines: 5, stop: cancel} // the text, then step 1, step 4 and the end of none; step 1 of batch
	args, out := small(t)
	var stdout bytes.Buffer
	require.Equal(t, cli.Interrupted, run(ctx, args, &stdout, stderr))
	require.Contains(t, stderr.String(), "batch  stopped at step 1")
	none, err := train.ReadRun(filepath.Join(out, "none"))
	require.NoError(t, err)
	require.Equal(t, 4, none.Summary.Steps)
	batch, err := train.ReadRun(filepath.Join(out, "batch"))
	require.NoError(t, err)
	require.True(t, batch.Summary.Interrupted)
	require.NoDirExists(t, filepath.Join(out, "layer"))
	require.FileExists(t, filepath.Join(out, "report.html"))
}

// TestBadInput: one clear line, exit status 1 or 2, and nothing written.
func TestBadInput(t *testing.T) {
	file := textFile(t, "in the way")
	for _, c := range []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"empty text", []string{"-data", textFile(t, "")}, cli.Failed, "is empty"},
		{"short text", []string{"-data", textFile(t, "too short")}, cli.Misused, "is too short"},
		{"no such text", []string{"-data", "/no/such/file"}, cli.Failed, "no such file"},
		{"not text", []string{"-data", textFile(t, "\xff\xfe")}, cli.Failed, "not valid UTF-8"},
		{"context longer than the text", []string{"-context", "5000"}, cli.Misused, "a context of 5000 needs 5001"},
		{"heads", []string{"-heads", "3"}, cli.Misused, "3 heads do not divide 8 channels"},
		{"norm", []string{"-norms", "layer,group"}, cli.Misused, `unknown norm "group"`},
		{"no norm", []string{"-norms", ""}, cli.Misused, `unknown norm ""`},
		{"norm twice", []string{"-norms", "rms,rms"}, cli.Misused, `the norm "rms" is given twice`},
		{"steps", []string{"-steps", "0"}, cli.Misused, "steps is 0, want 1 or more"},
		{"no number", []string{"-lr", "fast"}, cli.Misused, `invalid value "fast" for flag -lr`},
		{"unknown flag", []string{"-speed", "9"}, cli.Misused, "flag provided but not defined: -speed"},
		{"no out", []string{"-out", ""}, cli.Misused, "-out is empty"},
		{"absurd batch", []string{"-batch", "4611686018427387904"}, cli.Misused, "is more than 16777216 tokens"},
		{"argument", []string{"layer"}, cli.Misused, `unexpected argument "layer"`},
		{"one token under batch", []string{"-batch", "1", "-context", "1"}, cli.Misused, "needs a batch of 2 tokens or more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args, out := small(t, c.args...)
			requireRefusal(t, args, c.status, c.want)
			require.NoDirExists(t, filepath.Dir(out))
		})
	}
	taken := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(taken, "rms"), nil, 0o666))
	pageTaken := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(pageTaken, "report.html"), 0o777))
	for name, out := range map[string]string{
		"a file": file, "in a file": filepath.Join(file, "runs"),
		"taken by a file": taken, "taken by a directory": pageTaken,
	} {
		t.Run("out is "+name, func(t *testing.T) {
			args, _ := small(t, "-out", out)
			requireRefusal(t, args, cli.Failed, "cannot write to -out")
		})
	}
	t.Run("GOROOT without the text", func(t *testing.T) {
		t.Setenv("GOROOT", t.TempDir())
		args, out := small(t, "-data", "")
		requireRefusal(t, args, cli.Failed, "give a text with -data")
		require.NoDirExists(t, out)
	})
}

func requireRefusal(t *testing.T, args []string, status int, want string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	require.Equal(t, status, run(context.Background(), args, &stdout, &stderr))
	require.Empty(t, stdout.String())
	require.Contains(t, stderr.String(), want)
	require.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
}

func TestHelpTeaches(t *testing.T) {
	var stdout, stderr bytes.Buffer
	require.Zero(t, run(context.Background(), []string{"-h"}, &stdout, &stderr))
	require.Empty(t, stderr.String())
	for _, flag := range strings.Fields("norms steps batch context layers heads channels lr warmup seed eval-every data out") {
		require.Contains(t, stdout.String(), "  -"+flag)
	}
}
