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

// Write writes the run's files and the model's weights into dir, completely or not at all:
// it writes them into a temporary directory beside dir, checks them with Read, and renames
// the directory. It replaces an existing dir, unless dir holds a finished run of the same
// config, which another process may have written in the meantime.
func Write(dir string, r Run, weights func(io.Writer) error, checkModel ModelCheck) error {
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
	if _, err := Read(temp, checkModel); err != nil {
		return fmt.Errorf("%w (in the files to be written to %s)", err, dir)
	}
	return replace(temp, dir, r.Config, checkModel)
}

// replace renames temp to dir, unless dir holds the same run, finished. It first renames
// an existing dir, so that no other process finds it half removed.
func replace(temp, dir string, c Config, checkModel ModelCheck) error {
	const tries = 10 // another process may put a run there in between
	aside := temp + ".old"
	defer os.RemoveAll(aside)
	var err error
	for range tries {
		if _, err := Finished(dir, c, checkModel); err == nil {
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

// hidden returns the prefix of the names of a run's temporary directories.
func hidden(name string) string { return "." + name + "." }

// stale is the age at which a temporary directory must belong to a process that was killed,
// because writing takes a fraction of a second.
const stale = time.Hour

// removeStale removes old temporary directories of a run.
func removeStale(parent, name string) {
	temporary, _ := filepath.Glob(filepath.Join(parent, hidden(name)+"*"))
	for _, dir := range temporary {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > stale {
			os.RemoveAll(dir)
		}
	}
}

// WriteFile writes a file with the output of write. It writes to a temporary name, syncs,
// and renames, so that a reader never sees a part of the file.
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
