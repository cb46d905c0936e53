package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/claims"
	"gorgonorm/examples/internal/cli"
)

func execute(args ...string) (status int, stdout, stderr string) {
	var out, err strings.Builder
	status = run(context.Background(), args, &out, &err)
	return status, out.String(), err.String()
}

func TestHelpListsTheClaims(t *testing.T) {
	t.Parallel()
	status, out, _ := execute("-h")
	require.Zero(t, status)
	for _, c := range claims.All {
		require.Contains(t, out, "  "+c.Name+" ")
	}
	for line := range strings.Lines(out) {
		require.LessOrEqual(t, len([]rune(line)), 81, line)
	}
}

func TestVerdictsArePrintedAndWritten(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	status, out, stderr := execute("-quick", "-only", "samples", "-out", dir)
	require.Zero(t, status, stderr)
	require.Contains(t, out, "samples: BatchNorm normalizes across samples")
	require.Contains(t, out, "supported (only BatchNorm depends on the other samples): batch: ")
	require.Contains(t, out, "Page: "+filepath.Join(dir, claims.PageFile))
	for _, name := range []string{claims.ResultsFile, claims.PageFile} {
		require.FileExists(t, filepath.Join(dir, name))
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	for _, c := range []struct {
		args   string
		status int
		want   string
	}{
		{"-only gauss,x", cli.Misused, `unknown claim "x", want some of `},
		{"-seeds 1", cli.Misused, "-seeds is 1, want 2 to 1000"},
		{"-jobs -1", cli.Misused, "-jobs is -1, want 0 or more"},
		{"-out=", cli.Misused, "-out is empty, want a directory"},
		{"more", cli.Misused, `unexpected argument "more"`},
		{"-quick -only samples -out " + file, cli.Failed, "not a directory"},
	} {
		status, out, stderr := execute(strings.Fields(c.args)...)
		require.Equal(t, c.status, status, c.args)
		require.Empty(t, out, c.args)
		require.Contains(t, stderr, c.want, c.args)
	}
}

func TestCtrlCKeepsWhatIsMeasured(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, stderr strings.Builder
	status := run(ctx, []string{"-quick", "-out", t.TempDir()}, &out, &stderr)
	require.Equal(t, cli.Interrupted, status)
	require.Empty(t, out.String())
	require.Contains(t, stderr.String(), "stopped; the same command resumes, from the measurements in ")
}
