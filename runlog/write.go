package runlog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
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

// Write writes the run's files, and the model's weights, into dir, which appears
// whole or not at all: the files are written beside it, read back as Read reads them,
// and the directory renamed. It takes the place of whatever is there, except a finished
// run of the same configuration, which another process may have written meanwhile and
// which stays as it is.
func Write(dir string, r Run, weights func(io.Writer) error, model Model) error {
	parent, name := filepath.Split(filepath.Clean(dir))
	if err := os.MkdirAll(filepath.Clean(parent), 0o777); err != nil {
		return err
	}
	removeStale(parent, name)
	temp, err := os.MkdirTemp(parent, hidden(name)+"*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{configFile, indented(r.Config)},
		{metricsFile, lines(r.Steps)},
		{probesFile, lines(r.Probes)},
		{weightsFile, weights},
		{speedFile, indented(r.Speed)},
		{summaryFile, indented(r.Summary)},
	} {
		if err := WriteFile(filepath.Join(temp, f.name), f.write); err != nil {
			return err
		}
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	if _, err := Read(temp, model); err != nil {
		return fmt.Errorf("%w, as it would be written to %s", err, dir)
	}
	return replace(temp, dir, r.Config, model)
}

// replace renames a run's directory unless the same run is there, finished. Anything else
// that is there is renamed first, so that no other process finds it half removed.
func replace(temp, dir string, c Config, model Model) error {
	const tries = 10 // another process may put a run there in between
	aside := temp + ".old"
	defer os.RemoveAll(aside)
	var err error
	for range tries {
		if _, err := Finished(dir, c, model); err == nil {
			return nil
		}
		if err = os.RemoveAll(aside); err != nil {
			break
		}
		if err = os.Rename(dir, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err = os.Rename(temp, dir); err == nil {
			return nil
		}
	}
	return err
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

// WriteFile makes a file of what write writes: under a temporary name first,
// synced, then renamed, so that no reader ever sees half of it.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = fmt.Errorf("writing %s: %w", path, err)
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
