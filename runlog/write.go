package runlog

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// Write writes the run's files and the model's weights into dir, completely or not at all:
// it writes them into a temporary directory beside dir, checks them with Read, and renames
// the directory. It replaces an existing dir, unless dir holds a finished run of the same
// config, which another process may have written in the meantime.
func Write(dir string, r Run, weights func(io.Writer) error, checkModel ModelCheck) error {
	dir = filepath.Clean(dir)
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	t, err := newTemporary(dir, os.MkdirTemp)
	if err != nil {
		return err
	}
	defer t.remove()
	temp, s := t.path, sealed{Summary: r.Summary, Files: make(map[string]fingerprint)}
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{configFile, indented(r.Config)},
		{metricsFile, lines(r.Steps)},
		{probesFile, lines(r.Probes)},
		{weightsFile, weights},
		{speedFile, indented(r.Speed)},
	} {
		var p fingerprint
		if err := WriteFile(filepath.Join(temp, f.name), p.of(f.write)); err != nil {
			return err
		}
		if f.name != speedFile { // which would make summaries of equal runs differ
			s.Files[f.name] = p
		}
	}
	if s.Files[summaryFile], err = ofSummary(r.Summary); err != nil {
		return err
	}
	if err := WriteFile(filepath.Join(temp, summaryFile), indented(s)); err != nil {
		return err
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	if _, err := Read(temp, checkModel); err != nil {
		return fmt.Errorf("%w (in the files to be written to %s)", err, dir)
	}
	if err := replace(temp, dir, r.Config, checkModel); err != nil {
		return err
	}
	if _, err := Read(dir, checkModel); err != nil { // someone may have been removing it
		return err
	}
	return syncDir(parent)
}

// WriteConfig writes a run's config.json into a directory that has none, for programs that read
// weights there.
func WriteConfig(dir string, c Config) error {
	path := filepath.Join(dir, configFile)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return WriteFile(path, indented(c))
}

// replace renames temp to dir, unless dir holds the same run, finished. It first renames
// an existing dir, so that no other process finds it half removed.
func replace(temp, dir string, c Config, checkModel ModelCheck) error {
	const tries = 10 // another process may put a run there in between
	aside := strings.TrimSuffix(temp, mark) + ".old" + mark
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

// WriteFile writes a file with the output of write. It writes to a temporary name, syncs,
// renames, and syncs the directory, so that a reader never sees a part of the file, not even
// after a loss of power.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	t, err := newTemporary(path, createFile)
	if err != nil {
		return err
	}
	defer t.remove()
	if err := writeSynced(t.path, write); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(t.path, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// writeSynced writes an existing file.
func writeSynced(path string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if write == nil {
		return errors.New("the function that writes it is nil")
	}
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
	return f.Sync()
}

// syncDir writes a directory's entries to the disk. It does nothing where directories cannot be
// synced: on Windows, and on some network file systems.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
