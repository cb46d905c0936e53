package runlog

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// weights writes a file that model accepts.
func weights(w io.Writer) error {
	_, err := io.WriteString(w, "weights")
	return err
}

// model accepts every config with a norm.
func model(c Config) (func(path string) error, error) {
	if c.Norm == "" {
		return nil, errors.New("there is no norm")
	}
	return func(path string) error {
		if b, err := os.ReadFile(path); err != nil || string(b) != "weights" {
			return fmt.Errorf("%s has the weights %q", path, b)
		}
		return nil
	}, nil
}

// finished returns a run that took all its steps.
func finished() Run {
	c := Config{Norm: "rms", Placement: "pre", LR: 1e-3, Seed: 1, Vocabulary: "ab", Steps: 4, EvalEvery: 2, ProbeEvery: 2}
	val := Float(2)
	r := Run{Config: c, Summary: Summary{Norm: "rms", InitVal: 4}, Speed: Speed{Seconds: 1}}
	for i := range c.Steps {
		s := Step{Step: i + 1, Loss: 3, GradNorm: 1, LR: 1e-3}
		if c.Evaluates(s.Step) {
			s.ValLoss = &val
		}
		if c.Probes(s.Step) {
			r.Probes = append(r.Probes, Probe{
				Step: s.Step, Residual: []Spread{}, Norms: []NormProbe{}, Attention: []Float{}, Groups: []GroupProbe{}})
		}
		r.Steps = append(r.Steps, s)
	}
	r.Measure()
	r.Summary.LossSpikes, r.Summary.GradSpikes = 0, 0 // NaN, which is not equal to itself
	return r
}

func TestRunsAreReadBackAsWritten(t *testing.T) {
	val := Float(2.25)
	c := Config{Norm: "layer", Placement: "pre", LR: 1e-2, Seed: 1, Vocabulary: "abc\n\"é",
		Steps: 3, EvalEvery: 2, ProbeEvery: 10}
	run := Run{
		Config: c,
		Steps: []Step{
			{Step: 1, Loss: 3.5, GradNorm: 0.1, LR: 1e-3},
			{Step: 2, Loss: Float(math.Inf(1)), GradNorm: Float(math.Inf(-1)), LR: 2e-3, ValLoss: &val},
		},
		Probes: []Probe{{
			Step: 1, Residual: []Spread{{RMS: 1, Max: 2}}, Attention: []Float{inf},
			Logits: Moments{Mean: 1, Std: 2}, LogZ: Moments{Mean: 3},
			Norms: []NormProbe{
				{Name: "ln_f", In: Spread{RMS: 3}, Drift: &Drift{Shift: 1}, Batch: &Batch{Var: 1}}, {Name: "ln_1"}},
			Groups: []GroupProbe{{Name: "wte", Grad: 1, Weight: 2, Update: 3}},
		}},
		Speed: Speed{TokensPerSec: 3, Seconds: 4},
		Summary: Summary{Norm: "layer", Steps: 2, FirstLoss: 3.5, LastLoss: inf, LastVal: val, DivergedAt: 2,
			MaxGradNorm: inf, Interrupted: true},
	}
	dir := filepath.Join(t.TempDir(), "runs", "layer")
	for range 2 { // a second run replaces the first
		require.NoError(t, Write(dir, run, weights, model))
		got, err := Read(dir, model)
		require.NoError(t, err)
		require.Equal(t, run, got)
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	require.Equal(t, []string{
		"config.json", "metrics.jsonl", "model.safetensors", "probes.jsonl", "speed.json", "summary.json"}, names)
}

func TestNaNIsReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "nan.json")
	require.NoError(t, WriteFile(path, indented(Summary{BestVal: Float(math.NaN())})))
	var s Summary
	require.NoError(t, readJSON(path, &s))
	require.True(t, math.IsNaN(float64(s.BestVal)))
}

func TestAFailedWriteKeepsTheOldFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o666))
	broken := errors.New("broken")
	err := WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(make([]byte, 1<<16))
		return errors.Join(err, broken)
	})
	require.ErrorIs(t, err, broken)
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "old", string(b))
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.Error(t, WriteFile(filepath.Join(dir, "missing", "f"), indented(1)))
}

// TestWriteReplacesUnfinishedRuns also checks that Write keeps finished runs, and that it
// does not write a run that Read cannot read.
func TestWriteReplacesUnfinishedRuns(t *testing.T) {
	run := finished()
	dir := filepath.Join(t.TempDir(), "runs", run.Config.ID())
	write := func(r Run) Run {
		require.NoError(t, Write(dir, r, weights, model))
		got, err := Read(dir, model)
		require.NoError(t, err)
		return got
	}
	faster := run
	faster.Speed.Seconds = 1e-3
	require.Equal(t, run.Speed, write(run).Speed)
	require.Equal(t, run.Speed, write(faster).Speed, "a finished run stays")
	put := func(file, text string) error { return os.WriteFile(filepath.Join(dir, file), []byte(text), 0o666) }
	for _, damage := range []func() error{
		func() error { return put(summaryFile, "{}") },
		func() error { return os.Remove(filepath.Join(dir, metricsFile)) },
		func() error { return put(probesFile, `{"step"`) },
		func() error { return put(weightsFile, "weight") },
		func() error { return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o666)) },
	} {
		require.NoError(t, damage())
		require.Equal(t, faster.Speed, write(faster).Speed)
	}
	other := faster
	other.Config.LR = 0.5
	require.Equal(t, other.Config, write(other).Config, "a finished run of another config is replaced")

	short := run
	short.Steps = run.Steps[:3]
	err := Write(dir, short, weights, model)
	require.ErrorContains(t, err, "metrics.jsonl has 3 steps, summary.json says 4 (in the files to be written to "+dir)
	require.ErrorContains(t, Write(dir, run, func(io.Writer) error { return nil }, model), `has the weights ""`)
	broken := errors.New("broken")
	require.ErrorIs(t, Write(dir, run, func(io.Writer) error { return broken }, model), broken)
	require.Equal(t, other.Config, write(other).Config)
	left, err := os.ReadDir(filepath.Dir(dir))
	require.NoError(t, err)
	require.Len(t, left, 1)
}

// TestReadCallsTheModel checks that Read has the config checked before it compares the files
// with it, and the weights afterwards.
func TestReadCallsTheModel(t *testing.T) {
	t.Parallel()
	r := finished()
	dir := filepath.Join(t.TempDir(), r.Config.ID())
	require.NoError(t, Write(dir, r, weights, model))
	r.Config.Norm = ""
	require.NoError(t, WriteFile(filepath.Join(dir, configFile), indented(r.Config)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, weightsFile), nil, 0o666))
	_, err := Read(dir, model)
	require.EqualError(t, err, dir+": config.json: there is no norm")
	r.Config.Norm = "layer"
	require.NoError(t, WriteFile(filepath.Join(dir, configFile), indented(r.Config)))
	_, err = Read(dir, model)
	require.EqualError(t, err, dir+`: summary.json has the norm "rms", config.json "layer"`)
	r.Config.Norm = "rms"
	require.NoError(t, WriteFile(filepath.Join(dir, configFile), indented(r.Config)))
	_, err = Read(dir, model)
	require.ErrorContains(t, err, `has the weights ""`)
	records, err := ReadAll(filepath.Dir(dir), model)
	require.NoError(t, err)
	require.Equal(t, []Broken{{r.Config.ID(), `model.safetensors has the weights ""`}}, records.Broken)
}

// TestKilledProcessesLeaveNothing but temporaries without a lock, which are removed.
func TestKilledProcessesLeaveNothing(t *testing.T) {
	t.Parallel()
	all, r := t.TempDir(), finished()
	id := r.Config.ID()
	half := func(name string) string {
		t.Helper()
		dir := filepath.Join(all, name)
		require.NoError(t, os.Mkdir(dir, 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(dir, configFile), []byte("{"), 0o666))
		return dir
	}
	killed, aside := half("."+id+".1"+mark), half("."+id+".1.old"+mark)
	others, own := half("."+id+".1"), half(".a-run.1"+mark)
	held, err := newTemporary(filepath.Join(all, id), os.MkdirTemp)
	require.NoError(t, err)
	require.NoDirExists(t, killed, "by the next that writes the same")
	require.NoDirExists(t, aside)
	require.DirExists(t, own)

	records, err := ReadAll(all, model)
	require.NoError(t, err)
	require.Empty(t, records.Runs)
	require.Empty(t, records.Broken)
	require.NoError(t, Write(filepath.Join(all, id), r, weights, model))
	RemoveStale(all)
	require.NoDirExists(t, own)
	require.DirExists(t, others, "of another program")
	require.DirExists(t, held.path, "another process is writing there")
	held.remove()
	require.NoDirExists(t, held.path)
	RemoveStale(filepath.Join(all, "missing"))
}

// TestNamesAreNotPatterns writes and reads in a directory whose name a shell would expand.
func TestNamesAreNotPatterns(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"[a-z]", "a[", "*", `\`, "{a,b}", "?", "~", "-", "a\nb"} {
		r, all := finished(), filepath.Join(t.TempDir(), name)
		dir := filepath.Join(all, r.Config.ID())
		require.NoError(t, os.MkdirAll(filepath.Join(all, "."+r.Config.ID()+".1"+mark), 0o777))
		require.NoError(t, Write(dir, r, weights, model), name)
		require.NoError(t, WriteFile(filepath.Join(all, name), indented(1)), name)
		records, err := ReadAll(all, model)
		require.NoError(t, err)
		require.Len(t, records.Runs, 1)
		left, err := os.ReadDir(all)
		require.NoError(t, err)
		require.Len(t, left, 2, name)
	}
}

// TestACopyOfARunCountsOnce has copies whose names sort before and after the run's.
func TestACopyOfARunCountsOnce(t *testing.T) {
	t.Parallel()
	all, r := t.TempDir(), finished()
	id := r.Config.ID()
	require.NoError(t, Write(filepath.Join(all, id), r, weights, model))
	for _, name := range []string{"a copy", "zz"} {
		require.NoError(t, os.CopyFS(filepath.Join(all, name), os.DirFS(filepath.Join(all, id))))
	}
	records, err := ReadAll(all, model)
	require.NoError(t, err)
	require.Len(t, records.Runs, 1)
	require.Equal(t, []Broken{
		{"a copy", "it is a copy of the run in " + id},
		{"zz", "it is a copy of the run in " + id},
	}, records.Broken)

	require.NoError(t, os.RemoveAll(filepath.Join(all, id)))
	records, err = ReadAll(all, model)
	require.NoError(t, err)
	require.Len(t, records.Runs, 1)
	require.Equal(t, []Broken{{"zz", "it is a copy of the run in a copy"}}, records.Broken)
}

// TestMeasuresThatTheConfigAsksFor writes and reads runs with and without landscapes and
// recomputed statistics.
func TestMeasuresThatTheConfigAsksFor(t *testing.T) {
	t.Parallel()
	val := Float(2)
	around := &Landscape{
		Along:  []Along{{Times: 1, Loss: -0.1, Gradient: nan}},
		Blocks: []BlockChange{{Gradient: 1, Cosine: 0.5}},
	}
	for name, c := range map[string]struct {
		change func(*Run)
		want   string // "" for none
	}{
		"both": {func(r *Run) { r.Steps[1].Landscape, r.Summary.PreciseVal = around, &val }, ""},
		"no landscape of a step without an update": {func(r *Run) {
			r.Steps[1].GradNorm, r.Summary.PreciseVal = inf, &val
			r.Measure()
		}, ""},
		"no landscape": {func(r *Run) { r.Summary.PreciseVal = &val },
			"metrics.jsonl, line 2: landscape is set: false, want true"},
		"a landscape elsewhere": {func(r *Run) { r.Steps[0].Landscape, r.Summary.PreciseVal = around, &val },
			"metrics.jsonl, line 1: landscape is set: true, want false"},
		"no statistics": {func(r *Run) { r.Steps[1].Landscape = around },
			"summary.json: precise_val is set: false, want true"},
		"no config": {func(r *Run) { r.Config.LandscapeEvery, r.Config.StatisticsBatches, r.Summary.PreciseVal = 0, 0, &val },
			"summary.json: precise_val is set: true, want false"},
	} {
		r := finished()
		r.Config.LandscapeEvery, r.Config.StatisticsBatches = 2, 1
		r.Steps[3].Landscape = around
		if name == "no config" {
			r.Steps[3].Landscape = nil
		}
		c.change(&r)
		dir := filepath.Join(t.TempDir(), "run")
		err := Write(dir, r, weights, model)
		if c.want != "" {
			require.ErrorContains(t, err, c.want, name)
			continue
		}
		require.NoError(t, err, name)
		got, err := Read(dir, model)
		require.NoError(t, err, name)
		require.Equal(t, fmt.Sprint(r.Steps[3].Landscape), fmt.Sprint(got.Steps[3].Landscape), name)
		require.Equal(t, val, *got.Summary.PreciseVal, name)
	}
}

// TestARunThatIsRemovedWhileItIsWritten is never left in part: what is in its place is whole, or Write
// returns an error. Files are removed at random moments, as rm -r does.
func TestARunThatIsRemovedWhileItIsWritten(t *testing.T) {
	t.Parallel()
	r := finished()
	for range 200 {
		all := filepath.Join(t.TempDir(), "runs")
		dir := filepath.Join(all, r.Config.ID())
		require.NoError(t, os.Mkdir(all, 0o777))
		done := make(chan error)
		go func() { done <- Write(dir, r, weights, model) }()
		_ = os.RemoveAll(all)
		err := <-done
		if _, missing := os.Stat(dir); err == nil && missing == nil {
			_, err := Read(dir, model)
			require.NoError(t, err)
		}
	}
}
