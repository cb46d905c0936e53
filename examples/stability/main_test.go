package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/lab"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

func textFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "text.txt")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	return path
}

var verse = strings.Repeat("the quick brown fox jumps over the lazy dog. ", 40)

// small returns flags of tiny runs at two rates, and their directory.
func small(t *testing.T, more ...string) (args []string, out string) {
	out = filepath.Join(t.TempDir(), "deep", "runs")
	return append([]string{"-data", textFile(t, verse), "-out", out, "-lr", "1e-3,1e-2",
		"-steps", "4", "-eval-every", "2", "-probe-every", "2",
		"-layers", "1", "-heads", "2", "-channels", "8", "-context", "8", "-batch", "2"}, more...), out
}

// succeed runs the program and returns its output.
func succeed(t *testing.T, args []string) (stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	require.Zero(t, run(context.Background(), args, &out, &err), err.String())
	return out.String(), err.String()
}

func TestRunWithEveryNorm(t *testing.T) {
	args, out := small(t)
	stdout, stderr := succeed(t, args)
	require.Contains(t, stderr, "8 runs of 4 steps: 4 norms (none, batch, layer, rms) × 2 learning rates (0.001, 0.01)\n")
	require.Contains(t, stderr, "\n8 to do, ")
	require.Contains(t, stderr, "[8/8]  ")
	for _, norm := range []string{"none", "batch", "layer", "rms"} {
		require.Contains(t, stdout, norm)
		r, err := train.ReadRun(filepath.Join(out, norm+"-pre-lr0.01-seed1"))
		require.NoError(t, err)
		require.Equal(t, norm, r.Config.Norm)
		require.Len(t, r.Steps, 4)
		require.Len(t, r.Probes, 3)
	}
	c, err := train.ReadRun(filepath.Join(out, "layer-pre-lr0.001-seed1"))
	require.NoError(t, err)
	require.Equal(t, 1e-3, c.Config.LR)
	require.Equal(t, 1e-4, c.Config.MinLR)
	require.Equal(t, 1, c.Config.Warmup, "a third of 4 steps")

	page, err := os.ReadFile(filepath.Join(out, "report.html"))
	require.NoError(t, err)
	require.Contains(t, string(page), "<svg")
}

// origin matches the date and the command of a grid in its plan and its page.
var origin = regexp.MustCompile(`"(command|date)": .*|<code>.*</code>|<dd>[-0-9: ]* UTC</dd>`)

// varying matches the lines of the standard output that differ between grids.
var varying = regexp.MustCompile("(?m)^(Speed|Page|Losses by learning rate:).*\n")

// outputOf returns the files and the standard output of a grid, without its speed, date and
// command.
func outputOf(t *testing.T, out, stdout string) map[string]string {
	files := map[string]string{"stdout": varying.ReplaceAllString(stdout, "")}
	require.NoError(t, filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "speed.json" {
			return err
		}
		b, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, out)] = origin.ReplaceAllString(string(b), "")
		return err
	}))
	return files
}

// TestSharesMakeTheSameReport trains a grid in one process and in three shares.
func TestSharesMakeTheSameReport(t *testing.T) {
	if testing.Short() {
		t.Skip("two grids take seconds to train")
	}
	args, out := small(t, "-norms", "batch,rms", "-seeds", "2", "-jobs", "1")
	stdout, _ := succeed(t, args)
	want := outputOf(t, out, stdout)

	shared := filepath.Join(t.TempDir(), "shared")
	args = append(args, "-out", shared)
	for _, s := range []string{"3/3", "1/3", "2/3"} {
		stdout, stderr := succeed(t, append(args, "-shard", s))
		require.Empty(t, stdout)
		require.Contains(t, stderr, "share "+s+" is done")
		require.NoFileExists(t, filepath.Join(shared, lab.ReportFile))
	}
	stdout, _ = succeed(t, []string{"-report-only", "-out", shared})
	require.Equal(t, want, outputOf(t, shared, stdout))
}

// TestSlurmTasksTakeTheirShare does not set -shard.
func TestSlurmTasksTakeTheirShare(t *testing.T) {
	t.Setenv("SLURM_ARRAY_TASK_ID", "1")
	t.Setenv("SLURM_ARRAY_TASK_COUNT", "4")
	args, out := small(t, "-norms", "rms", "-seeds", "2")
	_, stderr := succeed(t, args)
	require.Contains(t, stderr, "share 2/4: 1 run\n")
	done, err := filepath.Glob(filepath.Join(out, "*", "summary.json"))
	require.NoError(t, err)
	require.Len(t, done, 1)
	plan, err := runlog.ReadPlan(out)
	require.NoError(t, err)
	require.Len(t, plan.Runs, 4, "the whole grid")
}

// TestAShareOfVeryMany takes the second of the largest number of shares, which has one run.
func TestAShareOfVeryMany(t *testing.T) {
	args, _ := small(t, "-norms", "rms,layer", "-lr", "1e-3", "-shard", fmt.Sprintf("2/%d", math.MaxInt))
	_, stderr := succeed(t, args)
	require.Contains(t, stderr, fmt.Sprintf("share 2/%d: 1 run\n", math.MaxInt))
}

// TestFinishedRunsAreNotRunAgain also checks that more values of an axis add runs.
func TestFinishedRunsAreNotRunAgain(t *testing.T) {
	args, _ := small(t, "-norms", "layer")
	first, _ := succeed(t, args)
	again, stderr := succeed(t, args)
	require.Equal(t, first, again, "speeds included")
	require.Contains(t, stderr, "all runs are finished")

	more, stderr := succeed(t, append(args, "-norms", "layer,rms", "-lr", "1e-2"))
	require.Contains(t, stderr, "1 already finished, 1 to do")
	require.Contains(t, more, "rms")
	require.Contains(t, more, "0 of 2", "the report is on all runs in -out")
}

func TestDivergedRunsDoNotStopTheOthers(t *testing.T) {
	args, out := small(t, "-norms", "none,layer", "-lr", "1000", "-warmup", "0", "-steps", "200", "-stop-on-divergence")
	stdout, stderr := succeed(t, args)
	none, err := train.ReadRun(filepath.Join(out, "none-pre-lr1000-seed1"))
	require.NoError(t, err)
	require.Positive(t, none.Summary.DivergedAt)
	require.Less(t, none.Summary.Steps, 200)
	require.Contains(t, stderr, "none-pre-lr1000-seed1  diverged")
	require.Contains(t, stdout, "diverged")
	_, err = train.ReadRun(filepath.Join(out, "layer-pre-lr1000-seed1"))
	require.NoError(t, err)
}

// stopAfter cancels a context once a text has been written.
type stopAfter struct {
	bytes.Buffer
	text string
	stop func()
}

func (s *stopAfter) Write(p []byte) (int, error) {
	n, err := s.Buffer.Write(p)
	if strings.Contains(s.String(), s.text) {
		s.stop()
	}
	return n, err
}

func TestStoppingReportsWhatWasFinished(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	args, out := small(t, "-jobs", "1")
	stderr := &stopAfter{text: "[2/8]", stop: cancel}
	var stdout bytes.Buffer
	require.Equal(t, cli.Interrupted, run(ctx, args, &stdout, stderr))
	require.Contains(t, stderr.String(), "the same command resumes there")
	require.Contains(t, stdout.String(), "none")
	require.FileExists(t, filepath.Join(out, lab.ReportFile))
	records, err := train.ReadRuns(out)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(records.Runs), 2)
	require.Less(t, len(records.Runs), 8)

	_, again := succeed(t, args)
	require.Contains(t, again, "2 already finished, 6 to do")
}

// TestAShareWithoutRuns has more shares than runs.
func TestAShareWithoutRuns(t *testing.T) {
	args, out := small(t, "-norms", "rms", "-lr", "1e-3")
	succeed(t, append(args, "-shard", "1/2"))
	_, stderr := succeed(t, append(args, "-shard", "2/2"))
	require.Contains(t, stderr, "share 2/2: 0 runs\nthere is nothing to do\n")
	records, err := train.ReadRuns(out)
	require.NoError(t, err)
	require.Len(t, records.Runs, 1)
}

// TestStoppingDuringTheEstimate stops a grid and a share.
func TestStoppingDuringTheEstimate(t *testing.T) {
	for _, more := range [][]string{nil, {"-shard", "1/2"}} {
		ctx, cancel := context.WithCancel(context.Background())
		args, out := small(t, more...)
		stderr := &stopAfter{text: "timing a few steps", stop: cancel}
		var stdout bytes.Buffer
		require.Equal(t, cli.Interrupted, run(ctx, args, &stdout, stderr))
		require.Empty(t, stdout.String())
		require.NotContains(t, stderr.String(), "done")
		left, err := os.ReadDir(out)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

func TestReportOnlyNeedsRuns(t *testing.T) {
	out := t.TempDir()
	requireRefusal(t, []string{"-report-only", "-out", out}, cli.Failed, "there are no runs in "+out)
}

// TestBadInput expects one line of error, exit status 1 or 2, and no files.
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
		{"not text", []string{"-data", textFile(t, "a\xff")}, cli.Failed,
			"is not valid UTF-8: byte 0xff at line 1, column 2"},
		{"UTF-16", []string{"-data", textFile(t, "\xff\xfe")}, cli.Failed, "is UTF-16, want UTF-8: convert it"},
		{"context longer than the text", []string{"-context", "5000"}, cli.Misused, "a context of 5000 needs 5001"},
		{"heads", []string{"-heads", "3"}, cli.Misused, "3 heads do not divide 8 channels"},
		{"norm", []string{"-norms", "layer,group"}, cli.Misused, `unknown norm "group"`},
		{"no norm", []string{"-norms", ""}, cli.Misused, `unknown norm ""`},
		{"norm twice", []string{"-norms", "rms,rms"}, cli.Misused, `for flag -norms: rms is given twice`},
		{"placement", []string{"-placement", "pre,mid"}, cli.Misused,
			`unknown placement "mid", want one of ["pre" "post" "peri" "scaled" "open"]`},
		{"qknorm", []string{"-qknorm", "maybe"}, cli.Misused, `"maybe" is unknown, want on or off`},
		{"order", []string{"-order", "random,sorted"}, cli.Misused,
			`order is "sorted", want one of blocks, one-domain, easy-first, hard-first`},
		{"order of domains", []string{"-order", "blocks"}, cli.Misused, "order blocks needs a text of several domains"},
		{"two texts", []string{"-data", "x", "-domains", "go,html"}, cli.Misused, "-data and -domains are both given"},
		{"share of the text", []string{"-text-share", "0"}, cli.Misused,
			"0 is no share, want a number above 0 and at most 1"},
		{"share without a window", []string{"-text-share", "1e-9"}, cli.Misused, "(a share of 1e-09) is too short"},
		{"no rate", []string{"-lr", "1e-3,"}, cli.Misused, `"" is not a number`},
		{"rate", []string{"-lr", "1e-3,-1"}, cli.Misused, "lr is -1, want a number from 0 to 1000"},
		{"seeds", []string{"-seeds", "0"}, cli.Misused, "-seeds is 0, want 1 or more"},
		{"too many seeds", []string{"-seeds", "100000000"}, cli.Misused,
			"-seeds is 100000000, which makes more than 100000 runs"},
		{"a negative seed", []string{"-seed", "-1"}, cli.Misused,
			`invalid value "-1" for flag -seed: want a whole number from 0 to 18446744073709551615`},
		{"seeds beyond the last", []string{"-seed", "18446744073709551615", "-seeds", "2"}, cli.Misused,
			"too large for 1 more"},
		{"share of a report", []string{"-report-only", "-shard", "1/2"}, cli.Misused,
			"-report-only reports on all runs in -out"},
		{"jobs", []string{"-jobs", "-1"}, cli.Misused, "-jobs is -1, want 0 or more"},
		{"noise", []string{"-norm-noise", "0,-1"}, cli.Misused, "norm-noise is -1, want a number from 0 to 1000"},
		{"probes", []string{"-probe-every", "-1"}, cli.Misused, "probe-every is -1, want 0 or more"},
		{"shard", []string{"-shard", "0/3"}, cli.Misused, "want i/n with i from 1 to n, such as 2/8"},
		{"shard of too many", []string{"-shard", "4/3"}, cli.Misused, "want i/n with i from 1 to n, such as 2/8"},
		{"shard with more", []string{"-shard", "1/3x"}, cli.Misused, "want i/n with i from 1 to n, such as 2/8"},
		{"steps", []string{"-steps", "0"}, cli.Misused, "steps is 0, want 1 or more"},
		{"clip", []string{"-clip", "-1"}, cli.Misused, "clip is -1, want a number above 0, or 0 to clip nothing"},
		{"infinite clip", []string{"-clip", "+Inf"}, cli.Misused,
			"clip is +Inf, want a number above 0, or 0 to clip nothing"},
		{"no number", []string{"-lr", "fast"}, cli.Misused,
			`invalid value "fast" for flag -lr: "fast" is not a number`},
		{"unknown flag", []string{"-speed", "9"}, cli.Misused, "flag provided but not defined: -speed"},
		{"no out", []string{"-out", ""}, cli.Misused, "-out is empty"},
		{"absurd batch", []string{"-batch", "4611686018427387904"}, cli.Misused, "is more than 16777216 tokens"},
		{"absurd context", []string{"-context", fmt.Sprint(math.MaxInt)}, cli.Misused,
			"is more than 16777216 tokens"},
		{"absurd channels", []string{"-channels", fmt.Sprint(math.MaxInt)}, cli.Misused, "want at most 2e+09"},
		{"absurd layers", []string{"-layers", "200000"}, cli.Misused, "layers is 200000, want at most 10000"},
		{"argument", []string{"layer"}, cli.Misused, `unexpected argument "layer"`},
		{"one token with batch", []string{"-batch", "1", "-context", "1"}, cli.Misused,
			"batch 1 of context 1 has 1 tokens, the norm batch needs 2 or more"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args, out := small(t, c.args...)
			requireRefusal(t, args, c.status, c.want)
			require.NoDirExists(t, filepath.Dir(out))
		})
	}
	taken := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(taken, "rms-pre-lr0.01-seed1"), nil, 0o666))
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
	const flags = "norms placement qknorm lr seeds seed steps batch context layers heads channels warmup clip " +
		"eval-every probe-every stop-on-divergence jobs shard report-only data init out"
	for _, flag := range strings.Fields(flags) {
		require.Contains(t, stdout.String(), "  -"+flag)
	}
	for line := range strings.Lines(stdout.String()) {
		line = strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "    \t", "        ")
		require.LessOrEqual(t, len(line), 80, line)
	}
}

// TestQuietJSON prints nothing but JSON, and the page is written all the same.
func TestQuietJSON(t *testing.T) {
	args, out := small(t, "-norms", "rms", "-q", "-json")
	stdout, stderr := succeed(t, args)
	require.Empty(t, stderr)
	var got struct {
		Complete bool
		Variants []struct{ Name string }
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	require.True(t, got.Complete)
	require.Equal(t, "rms", got.Variants[0].Name)
	require.FileExists(t, filepath.Join(out, lab.ReportFile))
	require.FileExists(t, filepath.Join(out, lab.FigureFile))

	again, _ := succeed(t, []string{"-report-only", "-json", "-out", out})
	require.Equal(t, stdout, again)

	var quiet, problem bytes.Buffer
	require.Equal(t, cli.Failed, run(t.Context(), []string{"-q", "-report-only", "-out", t.TempDir()}, &quiet, &problem))
	require.Contains(t, problem.String(), "there are no runs", "errors are printed")
}

// pageAddress fetches the page as soon as its address is written.
type pageAddress struct {
	bytes.Buffer
	page chan string
}

func (p *pageAddress) Write(b []byte) (int, error) {
	if _, after, ok := strings.Cut(string(b), "page: "); ok {
		address := strings.TrimSpace(after)
		go func() {
			r, err := http.Get(address)
			if err != nil {
				p.page <- err.Error()
				return
			}
			defer r.Body.Close()
			page, _ := io.ReadAll(r.Body)
			p.page <- string(page)
		}()
	}
	return p.Buffer.Write(b)
}

// TestServe shows the page while the runs are trained, and ends with them.
func TestServe(t *testing.T) {
	args, out := small(t, "-norms", "rms", "-serve", "localhost:0")
	stderr := &pageAddress{page: make(chan string, 1)}
	require.Zero(t, run(t.Context(), args, io.Discard, stderr))
	require.Contains(t, <-stderr.page, "EventSource")
	page, err := os.ReadFile(filepath.Join(out, lab.ReportFile))
	require.NoError(t, err)
	require.NotContains(t, string(page), "EventSource", "the file needs no server")

	for _, c := range []struct {
		status int
		want   string
		args   []string
	}{
		{
			cli.Failed, "want one of this machine alone",
			append(args[:len(args):len(args)], "-serve", "0.0.0.0:0", "-out", t.TempDir()),
		},
		{cli.Misused, "-report-only trains none", []string{"-report-only", "-serve", ":0", "-out", out}},
	} {
		var problem bytes.Buffer
		require.Equal(t, c.status, run(t.Context(), c.args, io.Discard, &problem))
		require.Contains(t, problem.String(), c.want)
	}
}
