package runlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Model checks what this package does not know about models. It returns an error if no
// model can have the config, or else a function that checks the file of its weights.
type Model func(Config) (checkWeights func(path string) error, err error)

// Broken is a run whose directory exists and cannot be used.
type Broken struct {
	Name   string // of the directory
	Reason string // with the names of files, without their folders
}

func brokenRun(dir string, err error) Broken {
	within := strings.NewReplacer(dir+string(filepath.Separator), "", dir+": ", "")
	return Broken{filepath.Base(dir), within.Replace(err.Error())}
}

// Read reads a run's directory. It is an error if a file is missing, holds anything
// else than Write writes, or contradicts the others, and if the model refuses the config
// or the file of weights. The run may have been interrupted.
func Read(dir string, model Model) (r Run, err error) {
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
	checkWeights, err := model(r.Config)
	if err != nil {
		return Run{}, fmt.Errorf("%s: %s: %w", dir, configFile, err)
	}
	if err := r.check(); err != nil {
		return Run{}, fmt.Errorf("%s: %w", dir, err)
	}
	if err := checkWeights(filepath.Join(dir, weightsFile)); err != nil {
		return Run{}, err
	}
	return r, nil
}

// ReadAll reads all runs in a directory, in the order of their names: those that are
// whole, finished or interrupted, and separately those that are broken. A missing
// directory has none. It is an error if the whole ones are not of one grid.
func ReadAll(dir string, model Model) (runs []Run, broken []Broken, err error) {
	dirs, err := runDirs(dir)
	if err != nil {
		return nil, nil, err
	}
	var first string
	at := make(map[string]string) // the directory of each run by its ID
	for _, dir := range dirs {
		if name := filepath.Base(dir); idForm.MatchString(name) {
			at[name] = name
		}
	}
	for _, dir := range dirs {
		r, err := Read(dir, model)
		if err == nil {
			err = misplaced(filepath.Base(dir), r.Config.ID(), at)
		}
		if err != nil {
			broken = append(broken, brokenRun(dir, err))
			continue
		}
		if len(runs) == 0 {
			first = dir
		} else if err := sameGrid(r.Config, runs[0].Config); err != nil {
			return nil, nil, fmt.Errorf("%s is of another grid than %s: %w", dir, first, err)
		}
		runs = append(runs, r)
	}
	return runs, broken, nil
}

// misplaced returns an error for a directory of another run's name, and for one with a run
// that is in its own directory, or in one before it.
func misplaced(name, id string, at map[string]string) error {
	if name != id && idForm.MatchString(name) {
		return fmt.Errorf("%s is of another run, %s", configFile, id)
	}
	if other, ok := at[id]; ok && other != name {
		return fmt.Errorf("it is a copy of the run in %s", other)
	}
	at[id] = name
	return nil
}

// runDirs returns the paths in a directory that have the name of a run or hold a file
// of one. A missing directory has none.
func runDirs(dir string) (dirs []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
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

// CheckCheckpoint returns an error if path is the directory of a run that cannot be
// read. A path that is no run's is no error.
func CheckCheckpoint(path string, model Model) error {
	if !holdsRun(path) {
		return nil
	}
	if _, err := Read(path, model); err != nil {
		return fmt.Errorf("%w (give %s to take the weights alone)", err, filepath.Join(path, weightsFile))
	}
	return nil
}
