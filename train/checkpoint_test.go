package train

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"gorgonorm/models/checkpoint"
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// stateful is a run whose steps depend on everything that a checkpoint holds: running statistics,
// noise, an order of windows, probes of drift, and steps that are skipped.
func stateful(norm string) Config {
	c := tiny(norm)
	c.Steps, c.EvalEvery, c.ProbeEvery, c.NormNoise = 24, 5, 3, 0.01
	return c
}

// left returns all that a run leaves, except its speed.
func left(t *testing.T, m *transformer.Model, r Run) string {
	t.Helper()
	var weights bytes.Buffer
	require.NoError(t, m.Save(&weights))
	record, err := json.Marshal([]any{r.Config, r.Steps, r.Probes, r.Summary})
	require.NoError(t, err)
	return weights.String() + string(record)
}

// stoppedAt trains until a step.
func stoppedAt(t *testing.T, step int, c Config, text *Corpus, k Checkpoints) Run {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, r, err := Train(ctx, c, text, func(s Step) {
		if s.Step == step {
			cancel()
		}
	}, WithCheckpoints(k))
	require.NoError(t, err)
	require.True(t, r.Summary.Interrupted)
	require.Len(t, r.Steps, step)
	return r
}

// TestAStoppedRunGoesOnWithTheSameBits stops runs twice.
func TestAStoppedRunGoesOnWithTheSameBits(t *testing.T) {
	t.Parallel()
	text := corpus(t, verse)
	runs := map[string]Config{}
	for _, norm := range transformer.NormNames() {
		runs[norm] = stateful(norm)
	}
	ordered := stateful("layer")
	ordered.Order, ordered.QKNorm = runlog.HardFirst, true
	runs["ordered"] = ordered
	surveyed := stateful("batch")
	surveyed.LandscapeEvery, surveyed.StatisticsBatches = 7, 2
	runs["surveyed"] = surveyed
	diverges := stateful("none")
	diverges.LR, diverges.MinLR, diverges.Warmup = 1e3, 1e3, 0
	runs["diverges"] = diverges
	unprobed := stateful("rms")
	unprobed.ProbeEvery = 0
	runs["unprobed"] = unprobed
	for name, c := range runs {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, r, err := Train(t.Context(), c, text, nil)
			require.NoError(t, err)
			want := left(t, m, r)
			var told []string
			k := Checkpoints{Dir: filepath.Join(t.TempDir(), "run"), Every: Interval{Steps: 4}}
			k.Log = func(s string) { told = append(told, s) }
			stoppedAt(t, 1, c, text, k)
			stoppedAt(t, 10, c, text, k)
			m, r, err = Train(t.Context(), c, text, nil, WithCheckpoints(k))
			require.NoError(t, err)
			require.Equal(t, want, left(t, m, r))
			require.Equal(t, []string{
				c.ID() + " goes on from step 1 of 24", c.ID() + " goes on from step 10 of 24",
			}, told)
			all, err := steps(k.Dir)
			require.NoError(t, err)
			require.Equal(t, []int{22, 18}, all, "the last two")
		})
	}
}

// TestTheLastCheckpointThatIsWhole damages the newest in every way that a disk can.
func TestTheLastCheckpointThatIsWhole(t *testing.T) {
	t.Parallel()
	text, c := corpus(t, verse), stateful("batch")
	m, r, err := Train(t.Context(), c, text, nil)
	require.NoError(t, err)
	want := left(t, m, r)
	for name, damage := range map[string]func(b []byte) []byte{
		"empty":             func([]byte) []byte { return nil },
		"short":             func(b []byte) []byte { return b[:20] },
		"without its end":   func(b []byte) []byte { return b[:len(b)-1] },
		"half":              func(b []byte) []byte { return b[:len(b)/2] },
		"a bit of a weight": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"a bit at its end":  func(b []byte) []byte { b[len(b)-1] ^= 0x80; return b },
		"zeros at its end":  func(b []byte) []byte { clear(b[len(b)-4096:]); return b },
		"longer":            func(b []byte) []byte { return append(b, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := Checkpoints{Dir: t.TempDir(), Every: Interval{Steps: 3}}
			stoppedAt(t, 8, c, text, k)
			newest := filepath.Join(k.Dir, "step8.safetensors")
			whole, err := os.ReadFile(newest)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(newest, damage(slices.Clone(whole)), 0o666))
			var told []string
			k.Log = func(s string) { told = append(told, s) }
			m, r, err := Train(t.Context(), c, text, nil, WithCheckpoints(k))
			require.NoError(t, err)
			require.Equal(t, want, left(t, m, r))
			require.Len(t, told, 2)
			require.Contains(t, told[0], "cannot go on from step 8: "+newest+" is damaged")
			require.Contains(t, told[1], "goes on from step 6 of 24")

			// a damaged one does not count among the last two
			stoppedAt(t, 8, c, text, Checkpoints{Dir: filepath.Join(k.Dir, "more"), Every: k.Every})
			late := filepath.Join(k.Dir, "more", "step20.safetensors")
			require.NoError(t, os.WriteFile(late, damage(slices.Clone(whole)), 0o666))
			stoppedAt(t, 14, c, text, Checkpoints{Dir: filepath.Join(k.Dir, "more"), Every: k.Every})
			all, err := steps(filepath.Join(k.Dir, "more"))
			require.NoError(t, err)
			require.Equal(t, []int{14, 11}, all)
		})
	}
}

// TestACheckpointKeepsWhereTheFirstNaNArose, which a run that has recovered does not find again.
func TestACheckpointKeepsWhereTheFirstNaNArose(t *testing.T) {
	t.Parallel()
	text, c := corpus(t, verse), tiny("layer")
	run := Run{Config: on(c, text)}
	run.Summary.NonFinite = "transformer.wte: NaN"
	path := filepath.Join(t.TempDir(), "state")
	l := newLoopOf(t, c, text)
	require.NoError(t, runlog.WriteFile(path, func(w io.Writer) error { return l.write(w, &run) }))
	again := Run{Config: run.Config}
	require.NoError(t, l.read(path, &again))
	require.Equal(t, run.Summary, again.Summary)
}

// TestOtherCheckpointsAreNotTaken for this run's, and are not removed.
func TestOtherCheckpointsAreNotTaken(t *testing.T) {
	t.Parallel()
	text, c := corpus(t, verse), stateful("layer")
	k := Checkpoints{Dir: t.TempDir()}
	stoppedAt(t, 3, c, text, k)
	step, err := Resumable(k.Dir, c, text)
	require.NoError(t, err)
	require.Equal(t, 3, step)
	c.Steps++
	_, err = Resumable(k.Dir, c, text)
	require.ErrorContains(t, err, "it belongs to another run: steps is 24, want 25")
	_, _, err = Train(t.Context(), c, text, nil, WithCheckpoints(k))
	require.ErrorContains(t, err, "it belongs to another run: steps is 24, want 25 (give another directory, or remove it)")
	require.FileExists(t, filepath.Join(k.Dir, "step3.safetensors"))

	require.NoError(t, os.Rename(filepath.Join(k.Dir, "step3.safetensors"), filepath.Join(k.Dir, "step03.safetensors")))
	step, err = Resumable(k.Dir, c, text)
	require.NoError(t, err)
	require.Zero(t, step)
	_, r, err := Train(t.Context(), c, text, nil, WithCheckpoints(k))
	require.NoError(t, err, "no checkpoint has such a name")
	require.Len(t, r.Steps, c.Steps)

	file := filepath.Join(k.Dir, "step03.safetensors")
	_, _, err = Train(t.Context(), c, text, nil, WithCheckpoints(Checkpoints{Dir: file}))
	require.ErrorContains(t, err, file)
}

// TestTrainingGoesOnWithoutACheckpoint that cannot be saved.
func TestTrainingGoesOnWithoutACheckpoint(t *testing.T) {
	t.Parallel()
	text, c := corpus(t, verse), tiny("rms")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	k := Checkpoints{Dir: filepath.Join(t.TempDir(), "gone"), Every: Interval{Steps: 20}}
	var told []string
	k.Log = func(s string) { told = append(told, s) }
	_, r, err := Train(t.Context(), c, text, func(s Step) {
		if s.Step == 1 {
			require.NoError(t, os.Symlink(file, k.Dir))
		}
	}, WithCheckpoints(k))
	require.NoError(t, err)
	require.Len(t, r.Steps, c.Steps)
	require.Len(t, told, 2, "at steps 20 and 40")
	require.Contains(t, told[0], c.ID()+" is trained without a checkpoint at step 20: ")
}

func TestACheckpointIsDue(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, c := range []struct {
		every Interval
		since time.Duration
		price time.Duration
		step  int
		want  bool
	}{
		{Interval{}, 29 * time.Second, 0, 100, false},
		{Interval{}, 31 * time.Second, 0, 100, true},
		{Interval{Time: time.Second}, 2 * time.Second, 0, 11, true},
		{Interval{Time: time.Second}, 2 * time.Second, time.Second / 10, 100, false}, // would take more than 1 %
		{Interval{Time: time.Second}, 11 * time.Second, time.Second / 10, 100, true},
		{Interval{Steps: 5}, time.Hour, time.Hour, 14, false},
		{Interval{Steps: 5}, 0, time.Hour, 15, true},
	} {
		k := keeper{Checkpoints: Checkpoints{Every: c.every}, at: 10, last: now.Add(-c.since), price: c.price}
		assert.Equal(t, c.want, k.due(c.step), "%+v", c)
	}
}

// TestARunStartsWithTheOptimizer of a checkpoint. The first update of the other run must be that of
// the moments, which differs from an update of new ones.
func TestARunStartsWithTheOptimizer(t *testing.T) {
	t.Parallel()
	text, c := corpus(t, verse), tiny("layer")
	k := Checkpoints{Dir: t.TempDir()}
	stoppedAt(t, 7, c, text, k)
	path := filepath.Join(k.Dir, "step7.safetensors")
	has, err := HasOptimizer(path)
	require.NoError(t, err)
	require.True(t, has)
	found, err := checkpoint.Open(path)
	require.NoError(t, err)
	require.Equal(t, path, found.Weights)

	first := newLoopOf(t, c, text)
	require.NoError(t, first.read(path, &Run{Config: on(c, text)}))
	other := c
	other.Context, other.Seed = 6, 9 // loads the first positions
	l := newLoopOf(t, from(t, other, path, ""), text)
	for i, n := range l.model.Learnables() {
		w := first.model.Learnables()[i]
		want, got := first.solver.momentsOf(values(w)), l.solver.momentsOf(values(n))
		require.Equal(t, 7, got.step)
		require.Equal(t, values(w)[:len(got.m)], values(n))
		require.Equal(t, want.m[:len(got.m)], got.m, n.Name())
		require.Equal(t, want.v[:len(got.v)], got.v, n.Name())
		require.NotZero(t, got.m)
	}
	except := newLoopOf(t, from(t, other, path, "transformer.wte.weight"), text)
	require.Zero(t, except.solver.momentsOf(values(except.model.Learnables()[0])).step)
	require.Equal(t, 7, except.solver.momentsOf(values(except.model.Learnables()[1])).step)

	b, err := os.ReadFile(path)
	require.NoError(t, err)
	b[len(b)/2] ^= 1
	require.NoError(t, os.WriteFile(path, b, 0o666))
	_, err = newLoop(from(t, other, path, ""), text)
	require.ErrorContains(t, err, "is damaged")
}

func newLoopOf(t *testing.T, c Config, text *Corpus) *loop {
	t.Helper()
	l, err := newLoop(c, text)
	require.NoError(t, err)
	t.Cleanup(l.close)
	return l
}

// BenchmarkCheckpoint saves the lab's model after 200 steps. By default that happens every 30 seconds.
func BenchmarkCheckpoint(b *testing.B) {
	path, err := DefaultText()
	require.NoError(b, err)
	text, err := ReadCorpus(path)
	require.NoError(b, err)
	c := Defaults()
	l, err := newLoop(c, text)
	require.NoError(b, err)
	defer l.close()
	run := Run{Config: on(c, text)}
	k := keeper{Checkpoints: Checkpoints{Dir: b.TempDir()}}
	for len(run.Steps) < c.Steps {
		step, err := l.step(&run)
		require.NoError(b, err)
		run.Steps = append(run.Steps, step)
	}
	for b.Loop() {
		require.NoError(b, k.write(l, &run))
	}
	share := b.Elapsed().Seconds() / float64(b.N) / DefaultInterval.Seconds()
	b.ReportMetric(100*share, "%_of_training")
}

func ExampleWithCheckpoints() {
	path := filepath.Join(os.TempDir(), "gorgonorm-example.txt")
	defer os.Remove(path)
	dir, err := os.MkdirTemp("", "checkpoints")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(path, []byte(verse), 0o666); err != nil {
		fmt.Println(err)
		return
	}
	text, err := ReadCorpus(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	c := tiny("layer")
	ctx, stop := context.WithCancel(context.Background())
	untilStep30 := func(s Step) {
		if s.Step == 30 {
			stop()
		}
	}
	checkpoints := WithCheckpoints(Checkpoints{Dir: dir, Log: func(s string) { fmt.Println(s) }})
	_, _, err = Train(ctx, c, text, untilStep30, checkpoints)
	fmt.Println("stopped", err)
	_, run, err := Train(context.Background(), c, text, nil, checkpoints)
	fmt.Println(run.Summary.Steps, "steps", err)
	// Output:
	// stopped <nil>
	// layer-pre-lr0.01-seed1 goes on from step 30 of 60
	// 60 steps <nil>
}
