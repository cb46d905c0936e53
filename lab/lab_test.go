package train

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"gorgonorm/models/transformer"
)

func grid(steps int) Grid {
	base := tiny("")
	base.Steps, base.EvalEvery, base.ProbeEvery = steps, 2, 2
	return Grid{
		Base:       base,
		Norms:      []string{"batch", "rms"},
		Placements: []transformer.Placement{transformer.Pre, transformer.Post},
		QKNorms:    []bool{false, true},
		LRs:        []float64{1e-3, 0.1},
		Seeds:      2,
	}
}

func TestGridIsEveryCombination(t *testing.T) {
	cs := grid(4).Configs()
	require.Len(t, cs, 32)
	ids := make(map[string]bool)
	for _, c := range cs {
		require.Equal(t, c.LR/10, c.MinLR)
		ids[c.ID()] = true
	}
	require.Len(t, ids, 32)
	require.Equal(t, "batch-pre-lr0.001-seed1", cs[0].ID())
	require.Equal(t, "rms-post-qk-lr0.1-seed2", cs[31].ID())
}

func TestShardsPartTheRuns(t *testing.T) {
	cs := grid(4).Configs()
	for _, n := range []int{1, 3, 8, 50} {
		seen := make(map[string]int)
		for i := range n {
			share := Shard(cs, i+1, n)
			require.LessOrEqual(t, len(share), (len(cs)+n-1)/n)
			for _, c := range share {
				seen[c.ID()]++
			}
		}
		require.Len(t, seen, len(cs))
		for id, times := range seen {
			require.Equal(t, 1, times, id)
		}
	}
}

// files reads what a lab's runs left, but for their speed.
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

// TestRunsSideBySideAreTheSame compares all files of a grid run one after the
// other, side by side, and in shares.
func TestRunsSideBySideAreTheSame(t *testing.T) {
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
		require.NoError(t, shared.Run(t.Context(), Shard(cs, i+1, 3)))
	}
	require.Equal(t, want, files(t, shared.Dir))
	runs, broken, err := ReadRuns(shared.Dir)
	require.NoError(t, err)
	require.Len(t, runs, len(cs))
	require.Empty(t, broken)
}

// TestAGridGoesOnWhereItStopped interrupts a grid, starts it again, and compares
// with one that was not interrupted.
func TestAGridGoesOnWhereItStopped(t *testing.T) {
	text := corpus(t, verse)
	cs := grid(6).Configs()[:6]
	whole := Lab{Text: text, Dir: t.TempDir(), Jobs: 1}
	require.NoError(t, whole.Run(t.Context(), cs))

	ctx, cancel := context.WithCancel(t.Context())
	lab := Lab{Text: text, Dir: t.TempDir(), Jobs: 1}
	done := 0
	lab.OnDone = func(Run) { done++ }
	lab.OnStep = func(c Config, s Step) {
		if c.ID() == cs[2].ID() && s.Step == 3 {
			cancel()
		}
	}
	require.NoError(t, lab.Run(ctx, cs))
	require.Equal(t, 3, done, "two finished, one interrupted")
	pending, again, err := lab.Pending(cs)
	require.NoError(t, err)
	require.Equal(t, cs[2:], pending)
	require.Equal(t, []Broken{{cs[2].ID(), "stopped at step 3 of 6"}}, again)

	// A process that is killed leaves a run without its summary.
	require.NoError(t, os.Remove(filepath.Join(lab.Dir, cs[1].ID(), summaryFile)))
	pending, again, err = lab.Pending(cs)
	require.NoError(t, err)
	require.Equal(t, cs[1:], pending)
	require.Len(t, again, 2)

	done = 0
	lab.OnStep = nil
	require.NoError(t, lab.Run(t.Context(), pending))
	require.Equal(t, 5, done)
	require.Equal(t, files(t, whole.Dir), files(t, lab.Dir))
	pending, _, err = lab.Pending(cs)
	require.NoError(t, err)
	require.Empty(t, pending)
}

func TestAnotherGridIsRefused(t *testing.T) {
	text := corpus(t, verse)
	lab := Lab{Text: text, Dir: t.TempDir(), Jobs: 1}
	cs := grid(4).Configs()[:1]
	require.NoError(t, lab.Run(t.Context(), cs))

	other := cs[0]
	other.Norm, other.LR, other.Seed, other.Placement = "rms", 1, 9, transformer.Peri
	_, _, err := lab.Pending([]Config{other})
	require.NoError(t, err, "the axes may differ")
	other.Steps = 5
	_, _, err = lab.Pending([]Config{other})
	run := filepath.Join(lab.Dir, cs[0].ID())
	require.EqualError(t, err, "train: "+run+" is a run of another grid: steps is 4, want 5 (give another -out, or remove it)")

	text.Path = "elsewhere/text.txt"
	pending, _, err := lab.Pending(cs)
	require.NoError(t, err)
	require.Empty(t, pending, "the text may lie elsewhere")
	lab.Text = corpus(t, verse+"!")
	_, _, err = lab.Pending(cs)
	require.ErrorContains(t, err, "another grid: data-sha256 is ")

	lab.Text = text
	require.NoError(t, (&Lab{Text: text, Dir: lab.Dir, Jobs: 1}).Run(t.Context(), []Config{other}))
	_, _, err = ReadRuns(lab.Dir)
	require.ErrorContains(t, err, "is of another grid than ")

	none, _, err := ReadRuns(filepath.Join(lab.Dir, "none"))
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestAnErrorEndsTheOtherRuns(t *testing.T) {
	lab := Lab{Text: corpus(t, verse), Dir: t.TempDir(), Jobs: 2}
	cs := grid(2000).Configs()[:4]
	cs[1].Heads = 3
	require.EqualError(t, lab.Run(t.Context(), cs), "transformer: 3 heads do not divide 16 channels")

	// and is told where the user has stopped the runs, too
	ctx, cancel := context.WithCancel(t.Context())
	lab.OnStep = func(Config, Step) {
		require.NoError(t, os.RemoveAll(lab.Dir))
		require.NoError(t, os.WriteFile(lab.Dir, nil, 0o666))
		cancel()
	}
	require.ErrorContains(t, lab.Run(ctx, cs[:1]), "not a directory")
}

func TestEstimate(t *testing.T) {
	lab := Lab{Text: corpus(t, verse), Dir: t.TempDir()}
	cs := grid(200).Configs()[:8]
	for _, jobs := range []int{1, 2} {
		e, err := lab.Estimate(t.Context(), cs, jobs)
		require.NoError(t, err)
		require.Equal(t, jobs, e.Jobs)
		require.Positive(t, e.Time)
	}
	e, err := lab.Estimate(t.Context(), cs, 0)
	require.NoError(t, err)
	require.Contains(t, []int{1, runtime.GOMAXPROCS(0)}, e.Jobs)
	left, err := os.ReadDir(lab.Dir)
	require.NoError(t, err)
	require.Empty(t, left, "an estimate writes nothing")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = lab.Estimate(ctx, cs, 1)
	require.ErrorIs(t, err, context.Canceled)
}

func TestFaster(t *testing.T) {
	require.Equal(t, 4, faster(10, 39, 4), "four in the time of 3.9")
	require.Equal(t, 1, faster(10, 40, 4), "no gain")
}

func TestNoMoreJobsThanRuns(t *testing.T) {
	lab := Lab{Text: corpus(t, verse), Dir: t.TempDir()}
	e, err := lab.Estimate(t.Context(), grid(200).Configs()[:2], 1000)
	require.NoError(t, err)
	require.Equal(t, 2, e.Jobs)
}

func TestAnEmptyShareHasNothingToDo(t *testing.T) {
	lab := Lab{Text: corpus(t, verse), Dir: t.TempDir(), Jobs: 1}
	cs := grid(4).Configs()[:1]
	require.NoError(t, lab.Run(t.Context(), cs))
	pending, _, err := lab.Pending(Shard(cs, 2, 2))
	require.NoError(t, err)
	require.Empty(t, pending)
}

// TestTwoProcessesInOneDirectory: what one has finished the other neither makes
// again nor replaces by less.
func TestTwoProcessesInOneDirectory(t *testing.T) {
	text := corpus(t, verse)
	cs := grid(6).Configs()[:2]
	one := Lab{Text: text, Dir: t.TempDir(), Jobs: 1}
	other := Lab{Text: text, Dir: one.Dir, Jobs: 1}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	steps, done := 0, 0
	other.OnDone = func(Run) { done++ }
	other.OnStep = func(c Config, s Step) {
		if steps++; steps == 3 { // the other is amid its first run
			require.NoError(t, one.Run(t.Context(), cs))
		}
	}
	require.NoError(t, other.Run(ctx, cs))
	require.Equal(t, 6, steps, "the second run was there")
	require.Equal(t, 2, done)
	want := files(t, one.Dir)

	cs[0].Seed, cs[1].Seed = 5, 6
	other.OnStep = func(_ Config, s Step) {
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

// TestKilledProcessesLeaveNoRuns, and what they leave is taken away in time.
func TestKilledProcessesLeaveNoRuns(t *testing.T) {
	lab := Lab{Text: corpus(t, verse), Dir: t.TempDir(), Jobs: 1}
	c := grid(4).Configs()[0]
	old, fresh := filepath.Join(lab.Dir, "."+c.ID()+".1"), filepath.Join(lab.Dir, "."+c.ID()+".2")
	for _, dir := range []string{old, fresh} {
		require.NoError(t, os.Mkdir(dir, 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, configFile), []byte("{"), 0o666))
	}
	long := time.Now().Add(-2 * stale)
	require.NoError(t, os.Chtimes(old, long, long))
	runs, broken, err := ReadRuns(lab.Dir)
	require.NoError(t, err)
	require.Empty(t, runs)
	require.Empty(t, broken)
	require.NoError(t, lab.Run(t.Context(), []Config{c}))
	require.NoDirExists(t, old)
	require.DirExists(t, fresh, "another process may be at it")
}

func TestCostOfARun(t *testing.T) {
	c := Config{Steps: 25, EvalEvery: 10, ProbeEvery: 10}
	// probes at 1, 10, 20 and 25; evaluations at 0, 10, 20, 25 and in training mode
	require.Equal(t, time.Duration(1000+25*1+4*100+5*10), cost{setup: 1000, step: 1, probe: 100, evaluation: 10}.of(c))
	c.ProbeEvery = 0
	require.Equal(t, time.Duration(25), cost{step: 1, probe: 100}.of(c))
}

func TestMakespan(t *testing.T) {
	for _, c := range []struct {
		tasks   []time.Duration
		workers int
		want    time.Duration
	}{
		{[]time.Duration{3, 1, 1, 1}, 1, 6}, {[]time.Duration{3, 1, 1, 1}, 2, 3}, {[]time.Duration{1, 1, 1, 3}, 2, 4}, {[]time.Duration{2}, 3, 2},
	} {
		require.Equal(t, c.want, makespan(c.tasks, c.workers))
	}
}

// TestTrainingModeLoss: the same weights on the same text, with the running
// statistics and with the batch's own.
func TestTrainingModeLoss(t *testing.T) {
	text := corpus(t, verse)
	for _, norm := range []string{"layer", "batch"} {
		c := tiny(norm)
		model, run, err := Train(t.Context(), c, text, nil)
		require.NoError(t, err)
		s := run.Summary
		if norm == "layer" {
			require.Equal(t, s.LastVal, s.TrainModeVal)
			continue
		}
		require.NotEqual(t, s.LastVal, s.TrainModeVal)
		require.InDelta(t, float64(s.LastVal), float64(s.TrainModeVal), 1)
		require.InEpsilon(t, validation(t, model, text.Val, c), float64(s.LastVal), 1e-5, "the running statistics are as training left them")
	}
	c := tiny("layer")
	ctx, cancel := context.WithCancel(t.Context())
	_, run, err := Train(ctx, c, text, func(Step) { cancel() })
	require.NoError(t, err)
	require.True(t, math.IsNaN(float64(run.Summary.TrainModeVal)), "not at the end")
}
