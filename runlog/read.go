package train

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gorgonorm/models/transformer"
)

// Broken is a run of which something is there that cannot be used.
type Broken struct {
	Name   string // of its directory
	Reason string // which names files and no folder
}

func brokenRun(dir string, err error) Broken {
	within := strings.NewReplacer(dir+string(filepath.Separator), "", dir+": ", "", "train: ", "")
	return Broken{filepath.Base(dir), within.Replace(err.Error())}
}

// ReadRun reads a run's directory. It is an error if a file is missing, holds
// anything else than WriteRun writes, or does not fit the others: the steps,
// evaluations and probes are those that the config and the summary imply, and the
// weights' file is as long as its header says and has the tensors of the config's
// model. The run may have been interrupted.
func ReadRun(dir string) (r Run, err error) {
	for _, f := range []struct {
		name string
		into any
	}{{configFile, &r.Config}, {summaryFile, &r.Summary}, {speedFile, &r.Speed}} {
		if err := readJSON(filepath.Join(dir, f.name), f.into); err != nil {
			return Run{}, err
		}
	}
	if r.Steps, err = readLines[Step](filepath.Join(dir, metricsFile)); err != nil {
		return Run{}, err
	}
	if r.Probes, err = readLines[Probe](filepath.Join(dir, probesFile)); err != nil {
		return Run{}, err
	}
	m, err := r.Config.ownModel()
	if err == nil {
		err = r.check()
	}
	if err != nil {
		return Run{}, fmt.Errorf("train: %s: %w", dir, err)
	}
	if err := transformer.CheckFile(filepath.Join(dir, weightsFile), m); err != nil {
		return Run{}, fmt.Errorf("train: %w", err)
	}
	return r, nil
}

// finished reads the run that a config makes from dir, and reports why it is not
// there or did not come to its end.
func finished(dir string, c Config) (Run, error) {
	r, err := ReadRun(dir)
	if err != nil {
		return r, err
	}
	if err := sameRun(r.Config, c); err != nil {
		return r, fmt.Errorf("train: %s: %s is of another run: %w", dir, configFile, err)
	}
	if r.Summary.Interrupted {
		return r, fmt.Errorf("train: %s: stopped at step %d of %d", dir, r.Summary.Steps, c.Steps)
	}
	return r, nil
}

// ownModel is the model of a run's own config, or what no run can have in it.
func (c Config) ownModel() (m transformer.Config, err error) {
	if err = c.Validate(); err == nil {
		m, err = c.model(&Corpus{Vocabulary: []rune(c.Vocabulary)})
	}
	if err == nil {
		err = m.Validate()
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", configFile, err)
	}
	return m, err
}

// check reports the first thing in which the files do not fit each other, the config
// being one that can be.
func (r Run) check() error {
	c, s := r.Config, r.Summary
	switch n := len(r.Steps); {
	case s.Norm != c.Norm:
		return fmt.Errorf("%s is of the norm %q, %s of %q", summaryFile, s.Norm, configFile, c.Norm)
	case n != s.Steps:
		return fmt.Errorf("%s has %d steps, %s says %d", metricsFile, n, summaryFile, s.Steps)
	case n > c.Steps || n < c.Steps && !s.Interrupted && !(s.Stopped && c.StopOnDivergence):
		return fmt.Errorf("%s has %d steps, %s says %d", metricsFile, n, configFile, c.Steps)
	}
	var probed []int
	first, last, val := Float(math.NaN()), Float(math.NaN()), Float(math.NaN())
	for i, step := range r.Steps {
		switch want := i + 1; {
		case step.Step != want:
			return fmt.Errorf("%s, line %d: step is %d, want %d", metricsFile, want, step.Step, want)
		case (step.ValLoss != nil) != c.evaluates(want):
			return fmt.Errorf("%s, line %d: val_loss is there: %t, want %t", metricsFile, want, step.ValLoss != nil, c.evaluates(want))
		case c.probes(want):
			probed = append(probed, want)
		}
		if i == 0 {
			first = step.Loss
		}
		if last = step.Loss; step.ValLoss != nil {
			val = *step.ValLoss
		}
	}
	for _, f := range []struct {
		name      string
		got, want Float
	}{{"first_loss", s.FirstLoss, first}, {"last_loss", s.LastLoss, last}, {"last_val", s.LastVal, val}} {
		if f.got != f.want && (f.got == f.got || f.want == f.want) { // NaN is itself here
			return fmt.Errorf("%s: %s is %g, %s has %g", summaryFile, f.name, f.got, metricsFile, f.want)
		}
	}
	if len(r.Probes) != len(probed) {
		return fmt.Errorf("%s has %d probes, want %d", probesFile, len(r.Probes), len(probed))
	}
	for i, p := range r.Probes {
		if p.Step != probed[i] {
			return fmt.Errorf("%s, line %d: step is %d, want %d", probesFile, i+1, p.Step, probed[i])
		}
	}
	return nil
}

// ReadRuns reads all runs in a directory, which need not be there, in the order of
// their names: those that are whole, finished or interrupted, and apart from them
// those that are not. It is an error if the whole ones are not of one grid.
func ReadRuns(dir string) (runs []Run, broken []Broken, err error) {
	dirs, err := runDirs(dir)
	if err != nil {
		return nil, nil, err
	}
	var first string
	for _, dir := range dirs {
		r, err := ReadRun(dir)
		if name := filepath.Base(dir); err == nil && idForm.MatchString(name) && name != r.Config.ID() {
			err = fmt.Errorf("%s is of another run, %s", configFile, r.Config.ID())
		}
		if err != nil {
			broken = append(broken, brokenRun(dir, err))
			continue
		}
		if len(runs) == 0 {
			first = dir
		} else if err := SameGrid(r.Config, runs[0].Config); err != nil {
			return nil, nil, fmt.Errorf("train: %s is of another grid than %s: %w", dir, first, err)
		}
		runs = append(runs, r)
	}
	return runs, broken, nil
}

// runDirs are the places in a directory, which need not be there, where a run is or
// was: they have the name of one, or hold a file of one.
func runDirs(dir string) (dirs []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("train: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !strings.HasPrefix(e.Name(), ".") && (idForm.MatchString(e.Name()) || holdsRun(path)) {
			dirs = append(dirs, path)
		}
	}
	return dirs, nil
}

// holdsRun reports whether a directory has one of the files that only a run has;
// checkpoints of others have weights and a config, too.
func holdsRun(dir string) bool {
	return slices.ContainsFunc([]string{metricsFile, probesFile, speedFile, summaryFile}, func(file string) bool {
		_, err := os.Lstat(filepath.Join(dir, file))
		return err == nil
	})
}

// CheckCheckpoint reports what is wrong with a run that weights are to be taken from by
// its directory. Of a path that is no run's it says nothing.
func CheckCheckpoint(path string) error {
	if !holdsRun(path) {
		return nil
	}
	if _, err := ReadRun(path); err != nil {
		return fmt.Errorf("%w (give %s to take the weights alone)", err, filepath.Join(path, weightsFile))
	}
	return nil
}

// readLines reads what lines writes.
func readLines[T any](path string) (items []T, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	for line := range bytes.Lines(b) {
		var item T
		if err := parse(line, &item); err != nil {
			return nil, fmt.Errorf("train: %s, line %d: %w", path, len(items)+1, err)
		}
		items = append(items, item)
	}
	return items, nil
}

// readJSON reads what indented writes.
func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if err := parse(b, v); err != nil {
		return fmt.Errorf("train: %s: %w", path, err)
	}
	return nil
}

// parse decodes one JSON value that has the members that v is written with, all of
// them and no others: json.Unmarshal would leave a missing one zero.
func parse(b []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is cut short")
	} else if err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return errors.New("something follows the JSON value")
	}
	written, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var got, want any
	if err := errors.Join(json.Unmarshal(b, &got), json.Unmarshal(written, &want)); err != nil {
		return err
	}
	if name := missing(got, want); name != "" {
		return fmt.Errorf("%s is missing", name)
	}
	return nil
}

// missing names the first member that is in want and not, or null, in got.
func missing(got, want any) string {
	switch want := want.(type) {
	case map[string]any:
		members, _ := got.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if members[name] == nil {
				return name
			}
			if inner := missing(members[name], want[name]); inner != "" {
				return name + "." + inner
			}
		}
	case []any:
		for i, item := range got.([]any) { // of which want was made
			if inner := missing(item, want[i]); inner != "" {
				return fmt.Sprintf("%d.%s", i, inner)
			}
		}
	}
	return ""
}
