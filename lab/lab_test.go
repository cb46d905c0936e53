package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/runlog"
	"gorgonorm/train"
)

// The files of a run.
const (
	configFile  = "config.json"
	metricsFile = "metrics.jsonl"
	probesFile  = "probes.jsonl"
	weightsFile = "model.safetensors"
	speedFile   = "speed.json"
	summaryFile = "summary.json"
)

// corpus writes a file of text and reads it.
func corpus(t *testing.T, text string) *train.Corpus {
	t.Helper()
	path := filepath.Join(t.TempDir(), "text.txt")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
	c, err := train.ReadCorpus(path)
	require.NoError(t, err)
	return c
}

func tiny(norm string) runlog.Config {
	c := train.Defaults()
	c.Norm, c.Layers, c.Heads, c.Channels, c.Context, c.Batch = norm, 2, 2, 16, 8, 4
	c.Steps, c.Warmup, c.LR, c.MinLR, c.EvalEvery = 60, 5, 1e-2, 1e-3, 20
	return c
}

var verse = strings.Repeat("the quick brown fox jumps over the lazy dog. ", 40)

// files reads the files of a lab's runs, except speed.json.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, name := range []string{configFile, metricsFile, probesFile, weightsFile, summaryFile} {
		paths, err := filepath.Glob(filepath.Join(dir, "*", name))
		require.NoError(t, err)
		for _, p := range paths {
			b, err := os.ReadFile(p)
			require.NoError(t, err)
			rel, err := filepath.Rel(dir, p)
			require.NoError(t, err)
			all[rel] = string(b)
		}
	}
	return all
}

// TestFilesDoNotDependOnJobs compares all files of a grid trained one run at a time, several
// at a time, and in shares.
func TestFilesDoNotDependOnJobs(t *testing.T) {
	if testing.Short() {
		t.Skip("two grids take seconds to train")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	text := corpus(t, verse)
	cs := grid(4).Configs()
	var want map[string]string
	for _, jobs := range []int{1, 4} {
		lab := Lab{Text: text, Dir: t.TempDir(), Jobs: jobs}
		require.NoError(t, lab.Run(t.Context(), cs))
		got := files(t, lab.Dir)
		require.Len(t, got, 5*len(cs))
		if want != nil {
			require.Equal(t, want, got, "%d jobs", jobs)
		}
		want = got
	}
	shared := Lab{Text: text, Dir: t.TempDir(), Jobs: 2}
	for i := range 3 {
		require.NoError(t, shared.Run(t.Context(), Shard{i + 1, 3}.of(cs)))
	}
	require.Equal(t, want, files(t, shared.Dir))
	records, err := train.ReadRuns(shared.Dir)
	require.NoError(t, err)
	require.Len(t, records.Runs, len(cs))
	require.Empty(t, records.Broken)
}

// TestAGridResumesWhereItStopped interrupts a grid, starts it again, and compares it with a
// grid that was not interrupted.
func TestAGridResumesWhereItStopped(t *testing.T) {
	text := corpus(t, verse)
	cs := grid(6).Configs()[:6]
	whole := Lab{Text: text, Dir: t.TempDir(), Jobs: 1}
	require.NoError(t, whole.Run(t.Context(), cs))

	ctx, cancel := context.WithCancel(t.Context())
	lab := Lab{Text: text, Dir: t.TempDir(), Jobs: 1}
	done := 0
	lab.OnDone = func(runlog.Run) { done++ }
	lab.OnStep = func(c runlog.Config, s runlog.Step) {
		if c.ID() == cs[2].ID() && s.Step == 3 {
			cancel()
		}
	}
	require.NoError(t, lab.Run(ctx, cs))
	require.Equal(t, 3, done, "two finished, one interrupted")
	pending, redone, err := lab.Pending(cs)
	require.NoError(t, err)
	require.Equal(t, cs[2:], pending)
	require.Equal(t, []runlog.Broken{{Name: cs[2].ID(), Reason: "stopped at step 3 of 6"}}, redone)

	// A process that is killed leaves a run without its summary.
	require.NoError(t, os.Remove(filepath.Join(lab.Dir, cs[1].ID(), summaryFile)))
	pending, redone, err = lab.Pending(cs)
	require.NoError(t, err)
	require.Equal(t, cs[1:], pending)
	require.Len(t, redone, 2)

	done = 0
	lab.OnStep = nil
	require.NoError(t, lab.Run(t.Context(), pending))
	require.Equal(t, 5, done)
	require.Equal(t, files(t, whole.Dir), files(t, lab.Dir))
	pending, _, err = lab.Pending(cs)
	require.NoError(t, err)
	require.Empty(t, pending)
}

// TestARunGoesOnInside stops a run, also as a process does that is killed and leaves no record.
func TestARunGoesOnInside(t *testing.T) {
	t.Parallel()
	text := corpus(t, verse)
	cs := grid(12).Configs()[:3]
	whole := Lab{Text: text, Dir: t.TempDir(), Jobs: 1}
	require.NoError(t, whole.Run(t.Context(), cs))

	for _, killed := range []bool{false, true} {
		lab := Lab{Text: text, Dir: t.TempDir(), Jobs: 1, Checkpoints: &train.Interval{Steps: 2}}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		steps := 0
		lab.OnStep = func(c runlog.Config, s runlog.Step) {
			if c.ID() == cs[1].ID() && s.Step == 7 {
				cancel()
			}
		}
		require.NoError(t, lab.Run(ctx, cs))
		from, err := lab.Resumable(cs)
		require.NoError(t, err)
		require.Equal(t, map[string]int{cs[1].ID(): 7}, from)
		if killed {
			require.NoError(t, os.RemoveAll(lab.path(cs[1])))
			require.NoError(t, os.Remove(filepath.Join(lab.saved(cs[1]), "step7.safetensors")))
		}
		var told []string
		lab.OnNote = func(s string) { told = append(told, s) }
		lab.OnStep = func(runlog.Config, runlog.Step) { steps++ }
		require.NoError(t, lab.Run(t.Context(), cs))
		require.Equal(t, files(t, whole.Dir), files(t, lab.Dir))
		at := 7
		if killed {
			at = 6
		}
		require.Equal(t, []string{fmt.Sprintf("%s goes on from step %d of 12", cs[1].ID(), at)}, told)
		require.Equal(t, 12-at+12, steps)
		require.NoDirExists(t, filepath.Join(lab.Dir, checkpoints))
	}
}

// TestCheckpointsOfFinishedRunsAreRemoved by the next command, if the process was killed before. So is
// what it left half written.
func TestCheckpointsOfFinishedRunsAreRemoved(t *testing.T) {
	t.Parallel()
	text := corpus(t, verse)
	g := grid(4)
	g.Norms, g.LRs, g.Seeds = g.Norms[:1], g.LRs[:1], 1
	g.Placements, g.QKNorms = g.Placements[:1], g.QKNorms[:1]
	require.Len(t, g.Configs(), 1)
	c := g.Configs()[0]
	lab := Lab{Text: text, Dir: t.TempDir(), Jobs: 1}
	require.NoError(t, lab.Run(t.Context(), g.Configs()))
	require.NoError(t, os.MkdirAll(lab.saved(c), 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(lab.saved(c), "step3.safetensors"), nil, 0o666))
	left := filepath.Join(lab.Dir, "."+c.ID()+".1.gorgonorm-tmp")
	require.NoError(t, os.Mkdir(left, 0o777))
	p := Plan{options: &Options{Grid: g, Out: lab.Dir}, text: text}
	require.NoError(t, p.Prepare())
	require.Zero(t, p.Remaining())
	require.NoDirExists(t, filepath.Join(lab.Dir, checkpoints))
	require.NoDirExists(t, left)
}

// TestCheckpointsOfAnotherGridAreAnError before anything is trained.
func TestCheckpointsOfAnotherGridAreAnError(t *testing.T) {
	t.Parallel()
	text := corpus(t, verse)
	c := grid(4).Configs()[0]
	lab := Lab{Text: text, Dir: t.TempDir(), Jobs: 1, Checkpoints: &train.Interval{Steps: 1}}
	_, _, err := train.Train(t.Context(), c, text, nil,
		train.WithCheckpoints(train.Checkpoints{Dir: lab.saved(c), Every: *lab.Checkpoints}))
	require.NoError(t, err)
	c.Steps = 5
	_, err = lab.Resumable([]runlog.Config{c})
	require.ErrorContains(t, err, "it belongs to another run: steps is 4, want 5 (give another -out, or remove "+
		lab.saved(c)+")")
}

func TestAnotherGridIsAnError(t *testing.T) {
	text := corpus(t, verse)
	lab := Lab{Text: text, Dir: t.TempDir(), Jobs: 1}
	cs := grid(4).Configs()[:1]
	require.NoError(t, lab.Run(t.Context(), cs))

	other := cs[0]
	other.Norm, other.LR, other.Seed, other.Placement = "rms", 1, 9, "peri"
	_, _, err := lab.Pending([]runlog.Config{other})
	require.NoError(t, err, "the axes may differ")
	other.Steps = 5
	_, _, err = lab.Pending([]runlog.Config{other})
	run := filepath.Join(lab.Dir, cs[0].ID())
	require.EqualError(t, err,
		"train: "+run+" belongs to another grid: steps is 4, want 5 (give another -out, or remove it)")

	text.Path = "elsewhere/text.txt"
	pending, _, err := lab.Pending(cs)
	require.NoError(t, err)
	require.Empty(t, pending, "the text may be in another directory")
	lab.Text = corpus(t, verse+"!")
	_, _, err = lab.Pending(cs)
	require.ErrorContains(t, err, "another grid: data-sha256 is ")

	lab.Text = text
	require.NoError(t, (&Lab{Text: text, Dir: lab.Dir, Jobs: 1}).Run(t.Context(), []runlog.Config{other}))
	records, err := train.ReadRuns(lab.Dir)
	require.NoError(t, err)
	require.Len(t, records.Runs, len(cs))
	require.Len(t, records.Broken, 1)
	require.Equal(t, other.ID(), records.Broken[0].Name)
	require.Contains(t, records.Broken[0].Reason, "it belongs to another grid than "+cs[0].ID()+": steps is 5, want 4")

	records, err = train.ReadRuns(filepath.Join(lab.Dir, "none"))
	require.NoError(t, err)
	require.Empty(t, records.Runs)
}

func TestAnErrorEndsTheOtherRuns(t *testing.T) {
	lab := Lab{Text: corpus(t, verse), Dir: t.TempDir(), Jobs: 2}
	cs := grid(2000).Configs()[:4]
	cs[1].Heads = 3
	require.EqualError(t, lab.Run(t.Context(), cs), "transformer: 3 heads do not divide 16 channels")

	// Run also returns the error if the user has stopped the runs.
	ctx, cancel := context.WithCancel(t.Context())
	lab.OnStep = func(runlog.Config, runlog.Step) {
		require.NoError(t, os.RemoveAll(lab.Dir))
		require.NoError(t, os.WriteFile(lab.Dir, nil, 0o666))
		cancel()
	}
	require.ErrorContains(t, lab.Run(ctx, cs[:1]), " was removed while ")
}

// TestTwoProcessesInOneDirectory checks that a process neither trains runs that the other has
// finished nor replaces them by interrupted ones.
func TestTwoProcessesInOneDirectory(t *testing.T) {
	text := corpus(t, verse)
	cs := grid(6).Configs()[:2]
	one := Lab{Text: text, Dir: t.TempDir(), Jobs: 1}
	other := Lab{Text: text, Dir: one.Dir, Jobs: 1}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	steps, done := 0, 0
	other.OnDone = func(runlog.Run) { done++ }
	other.OnStep = func(c runlog.Config, s runlog.Step) {
		if steps++; steps == 3 { // in the middle of the first run
			require.NoError(t, one.Run(t.Context(), cs))
		}
	}
	require.NoError(t, other.Run(ctx, cs))
	require.Equal(t, 6, steps, "the second run was finished already")
	require.Equal(t, 2, done)
	want := files(t, one.Dir)

	cs[0].Seed, cs[1].Seed = 5, 6
	other.OnStep = func(_ runlog.Config, s runlog.Step) {
		if s.Step == 3 {
			require.NoError(t, one.Run(t.Context(), cs[:1]))
			cancel()
		}
	}
	require.NoError(t, other.Run(ctx, cs))
	pending, _, err := one.Pending(cs)
	require.NoError(t, err)
	require.Equal(t, cs[1:], pending, "a finished run is not replaced by an interrupted one")
	for name, content := range want {
		require.Equal(t, content, files(t, one.Dir)[name])
	}
}

// TestARemovedDirectoryIsAnError: a run is not written where its grid is gone, or another is.
func TestARemovedDirectoryIsAnError(t *testing.T) {
	t.Parallel()
	text, c := corpus(t, verse), grid(6).Configs()[0]
	for name, replace := range map[string]func(dir string) error{
		"gone":      os.RemoveAll,
		"made anew": func(dir string) error { return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o777)) },
		"a new one": func(dir string) error { return errors.Join(os.Rename(dir, dir+".away"), os.Mkdir(dir, 0o777)) },
		"a file":    func(dir string) error { return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o666)) },
	} {
		lab := Lab{Text: text, Dir: filepath.Join(t.TempDir(), "grid"), Jobs: 1}
		lab.OnStep = func(_ runlog.Config, s runlog.Step) {
			if s.Step == 3 {
				require.NoError(t, replace(lab.Dir), name)
			}
		}
		err := lab.Run(t.Context(), []runlog.Config{c})
		require.EqualError(t, err, "lab: "+lab.Dir+" was removed while "+c.ID()+" was trained", name)
		require.NoDirExists(t, lab.path(c), name)
	}
}
