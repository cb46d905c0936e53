package train

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gorgonorm/models/transformer"
)

// The files of a run's directory.
const (
	configFile  = "config.json"
	metricsFile = "metrics.jsonl"
	probesFile  = "probes.jsonl"
	weightsFile = "model.safetensors"
	speedFile   = "speed.json"
	summaryFile = "summary.json"
)

// WriteRun writes the run's files, and the model's weights, into dir, which
// appears whole or not at all: the files are written beside it and the directory
// renamed. It takes the place of a run that did not come to its end; a finished
// one, which another process may have written meanwhile, is left as it is.
func WriteRun(dir string, r Run, m *transformer.Model) error {
	parent, name := filepath.Split(filepath.Clean(dir))
	if err := os.MkdirAll(filepath.Clean(parent), 0o777); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	removeStale(parent, name)
	temp, err := os.MkdirTemp(parent, hidden(name)+"*")
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	defer os.RemoveAll(temp)
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{configFile, indented(r.Config)},
		{metricsFile, lines(r.Steps)},
		{probesFile, lines(r.Probes)},
		{weightsFile, m.Save},
		{speedFile, indented(r.Speed)},
		{summaryFile, indented(r.Summary)},
	} {
		if err := WriteFile(filepath.Join(temp, f.name), f.write); err != nil {
			return err
		}
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return replace(temp, dir)
}

// replace renames a run's directory unless a finished run stands there.
func replace(temp, dir string) (err error) {
	const tries = 10 // another process may put a run there in between
	for range tries {
		if finished(dir) {
			return nil
		}
		if err = os.RemoveAll(dir); err != nil {
			break
		}
		if err = os.Rename(temp, dir); err == nil {
			return nil
		}
	}
	return fmt.Errorf("train: %w", err)
}

// finished says that a run in dir has come to its end.
func finished(dir string) bool {
	var s Summary
	return readJSON(filepath.Join(dir, summaryFile), &s) == nil && !s.Interrupted
}

// hidden begins the names of the directories that a run is written in.
func hidden(name string) string { return "." + name + "." }

// stale is how old the directory of a process that was killed amid its writing
// is, which takes a fraction of a second.
const stale = time.Hour

func removeStale(parent, name string) {
	left, _ := filepath.Glob(filepath.Join(parent, hidden(name)+"*"))
	for _, dir := range left {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > stale {
			os.RemoveAll(dir)
		}
	}
}

func indented(v any) func(io.Writer) error {
	return func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(v)
	}
}

// lines writes items in JSON, one a line.
func lines[T any](items []T) func(io.Writer) error {
	return func(w io.Writer) error {
		enc := json.NewEncoder(w)
		for _, item := range items {
			if err := enc.Encode(item); err != nil {
				return err
			}
		}
		return nil
	}
}

// WriteFile makes a file of what write writes: under a temporary name first,
// synced, then renamed, so that no reader ever sees half of it.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("train: writing %s: %w", path, err)
		}
	}()
	w := bufio.NewWriter(f)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// ReadRun reads a run's directory.
func ReadRun(dir string) (r Run, err error) {
	for _, f := range []struct {
		name string
		into any
	}{{summaryFile, &r.Summary}, {configFile, &r.Config}, {speedFile, &r.Speed}} {
		if err := readJSON(filepath.Join(dir, f.name), f.into); err != nil {
			return r, err
		}
	}
	if r.Steps, err = readLines[Step](filepath.Join(dir, metricsFile)); err != nil {
		return r, err
	}
	r.Probes, err = readLines[Probe](filepath.Join(dir, probesFile))
	return r, err
}

// ReadRuns reads all runs that stand in a directory, finished or interrupted, in
// the order of their names. It is an error if they are not of one grid. A run that
// is being written, or whose writing was cut off, is passed over.
func ReadRuns(dir string) (runs []Run, err error) {
	found, err := findRuns(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		r, err := ReadRun(f.dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := SameGrid(f.Config, found[0].Config); err != nil {
			return nil, fmt.Errorf("train: %s is of another grid than %s: %w", f.dir, found[0].dir, err)
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// found is a run's directory and what is to be run there.
type found struct {
	dir string
	Config
}

// findRuns finds the runs in a directory, which need not be there.
func findRuns(dir string) (runs []found, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("train: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		f := found{dir: filepath.Join(dir, e.Name())}
		if err := readJSON(filepath.Join(f.dir, configFile), &f.Config); err == nil {
			runs = append(runs, f)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return runs, nil
}

// readLines reads what lines writes.
func readLines[T any](path string) (items []T, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	defer f.Close()
	for dec := json.NewDecoder(bufio.NewReader(f)); ; {
		var item T
		if err := dec.Decode(&item); err == io.EOF {
			return items, nil
		} else if err != nil {
			return items, fmt.Errorf("train: %s, line %d: %w", path, len(items)+1, err)
		}
		items = append(items, item)
	}
}

func readJSON(path string, v any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("train: %s: %w", path, err)
	}
	return nil
}
