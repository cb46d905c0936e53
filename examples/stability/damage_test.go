package main

import (
	"bytes"
	"context"
	"html"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/lab"
)

// TestADamagedRunIsReportedAndRunAgain damages one run. The report on the other runs must
// name it with the reason, on the terminal and on the page. The original command must print
// the reason, restore the run to the same files, and change no other run.
func TestADamagedRunIsReportedAndRunAgain(t *testing.T) {
	args, whole := small(t, "-norms", "layer,rms", "-lr", "1e-2", "-jobs", "1")
	stdout, stderr := succeed(t, args)
	require.NotContains(t, stderr, "run again")
	const damaged, other = "layer-pre-lr0.01-seed1", "rms-pre-lr0.01-seed1"
	fill := func(file, text string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, file), []byte(text), 0o666) }
	}
	remove := func(file string) func(string) error {
		return func(dir string) error { return os.Remove(filepath.Join(dir, file)) }
	}
	cut := func(file string, bytes int64) func(string) error {
		return func(dir string) error {
			info, err := os.Stat(filepath.Join(dir, file))
			if err != nil {
				return err
			}
			return os.Truncate(filepath.Join(dir, file), info.Size()-bytes)
		}
	}
	for name, c := range map[string]struct {
		damage func(dir string) error
		want   string
	}{
		"summary of {}": {fill("summary.json", "{}"), "summary.json: best_val is missing"},
		"summary empty": {fill("summary.json", ""), "summary.json: it is truncated"},
		"summary gone":  {remove("summary.json"), "open summary.json: no such file or directory"},
		"config gone":   {remove("config.json"), "open config.json: no such file or directory"},
		"config empty":  {fill("config.json", ""), "config.json: it is truncated"},
		"metrics gone":  {remove("metrics.jsonl"), "open metrics.jsonl: no such file or directory"},
		"metrics cut":   {cut("metrics.jsonl", 4), "metrics.jsonl, line 4: it is truncated"},
		"probes gone":   {remove("probes.jsonl"), "open probes.jsonl: no such file or directory"},
		"probes cut":    {cut("probes.jsonl", 4), "probes.jsonl, line 3: it is truncated"},
		"speed gone":    {remove("speed.json"), "open speed.json: no such file or directory"},
		"weights gone":  {remove("model.safetensors"), "open model.safetensors: no such file or directory"},
		"weights cut":   {cut("model.safetensors", 4), "model.safetensors is not a safetensors file"},
		"another run": {func(dir string) error {
			return os.CopyFS(dir, os.DirFS(filepath.Join(whole, other)))
		}, "config.json belongs to another run"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := t.TempDir()
			require.NoError(t, os.CopyFS(out, os.DirFS(whole)))
			dir := filepath.Join(out, damaged)
			if name == "another run" { // the damage copies a whole directory
				require.NoError(t, os.RemoveAll(dir))
			}
			require.NoError(t, c.damage(dir))

			report, _ := succeed(t, []string{"-report-only", "-out", out})
			report = strings.Join(strings.Fields(report), " ") // without line breaks
			require.Contains(t, report, `"`+damaged+`" is left out because it is broken: `)
			require.Contains(t, report, c.want)
			require.Contains(t, report, "rms")
			page, err := os.ReadFile(filepath.Join(out, lab.ReportFile))
			require.NoError(t, err)
			require.Contains(t, html.UnescapeString(string(page)), `"`+damaged+`" is left out because it is broken: `)
			require.Contains(t, html.UnescapeString(string(page)), c.want)
			require.NotContains(t, string(page), out)

			args := append(args[:len(args):len(args)], "-out", out)
			again, stderr := succeed(t, args)
			require.Contains(t, stderr, "\n"+damaged+" is run again: ")
			require.Contains(t, stderr, c.want)
			require.Contains(t, stderr, "1 already finished, 1 to do")
			require.Equal(t, outputOf(t, whole, stdout), outputOf(t, out, again))
			_, stderr = succeed(t, args)
			require.Contains(t, stderr, "all runs are finished")
		})
	}
}

// TestReportOnBrokenRunsAlone expects an error with the reason for each run.
func TestReportOnBrokenRunsAlone(t *testing.T) {
	args, out := small(t, "-norms", "rms", "-jobs", "1")
	succeed(t, args)
	for _, id := range []string{"rms-pre-lr0.001-seed1", "rms-pre-lr0.01-seed1"} {
		require.NoError(t, os.WriteFile(filepath.Join(out, id, "summary.json"), nil, 0o666))
	}
	var stdout, stderr bytes.Buffer
	require.Equal(t, cli.Failed, run(context.Background(), []string{"-report-only", "-out", out}, &stdout, &stderr))
	require.Empty(t, stdout.String())
	require.Equal(t, "stability: there are no runs in "+out+" to report on\n"+
		"rms-pre-lr0.001-seed1 cannot be used: summary.json: it is truncated\n"+
		"rms-pre-lr0.01-seed1 cannot be used: summary.json: it is truncated\n", stderr.String())
}
