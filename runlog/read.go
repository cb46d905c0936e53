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

// ModelCheck checks a config and returns a function that checks the file of the model's
// weights. Callers pass it because this package does not depend on models.
type ModelCheck func(Config) (checkWeights func(path string) error, err error)

// of calls the check, or returns an error if it cannot be called or returns nothing.
func (check ModelCheck) of(c Config) (checkWeights func(path string) error, err error) {
	if check == nil {
		return nil, errors.New("the check of the model is nil")
	}
	if checkWeights, err = check(c); err == nil && checkWeights == nil {
		err = errors.New("the check of the model returns none of the weights")
	}
	return checkWeights, err
}

// Broken describes the directory of a run that cannot be used.
type Broken struct {
	Name   string // of the directory
	Reason string // names files without their folders
}

// brokenRun describes a directory that cannot be used because of err.
func brokenRun(dir string, err error) Broken {
	within := strings.NewReplacer(dir+string(filepath.Separator), "", dir+": ", "")
	return Broken{filepath.Base(dir), within.Replace(err.Error())}
}

// Read reads a run's directory. It returns an error if a file is missing, does not have the
// format that Write writes, contradicts the others, or is not the one that was written, or if
// checkModel returns an error for the config or the weights. The run may have been interrupted.
func Read(dir string, checkModel ModelCheck) (r Run, err error) {
	var s sealed
	for _, f := range []struct {
		name string
		into any
	}{{configFile, &r.Config}, {summaryFile, &s}, {speedFile, &r.Speed}} {
		if err := readJSON(filepath.Join(dir, f.name), f.into); err != nil {
			return Run{}, err
		}
	}
	r.Summary = s.Summary
	if r.Steps, err = readLines[Step](filepath.Join(dir, metricsFile)); err != nil {
		return Run{}, err
	}
	if r.Probes, err = readLines[Probe](filepath.Join(dir, probesFile)); err != nil {
		return Run{}, err
	}
	checkWeights, err := checkModel.of(r.Config)
	if err != nil {
		return Run{}, fmt.Errorf("%s: %s: %w", dir, configFile, err)
	}
	if err := r.check(); err != nil {
		return Run{}, fmt.Errorf("%s: %w", dir, err)
	}
	if err := checkWeights(filepath.Join(dir, weightsFile)); err != nil {
		return Run{}, err
	}
	return r, s.check(dir)
}

// ReadAll reads the plan and all runs in a directory, the runs in the order of their names. A
// missing directory has none. What cannot be used is listed as broken: a plan or a run with
// damaged files, and runs of other grids than that of most.
func ReadAll(dir string, checkModel ModelCheck) (all Records, err error) {
	if all.Plan, err = ReadPlan(dir); err != nil {
		all.Broken = append(all.Broken, brokenRun(filepath.Join(dir, PlanFile), err))
	}
	dirs, err := runDirs(dir)
	if err != nil {
		return Records{}, err
	}
	at := make(map[string]string) // the directory of each run by its ID
	for _, dir := range dirs {
		if name := filepath.Base(dir); idForm.MatchString(name) {
			at[name] = name
		}
	}
	var read []placedRun
	for _, dir := range dirs {
		r, err := Read(dir, checkModel)
		if err == nil {
			err = misplaced(filepath.Base(dir), r.Config.ID(), at)
		}
		if err != nil {
			all.Broken = append(all.Broken, brokenRun(dir, err))
			continue
		}
		read = append(read, placedRun{dir, r})
	}
	grid := largestGrid(read)
	for _, r := range read {
		if err := sameGrid(r.Config, grid.Config); err != nil {
			err = fmt.Errorf("it belongs to another grid than %s: %w", filepath.Base(grid.dir), err)
			all.Broken = append(all.Broken, brokenRun(r.dir, err))
			continue
		}
		all.Runs = append(all.Runs, r.Run)
	}
	return all, nil
}

// placedRun is a run and its directory.
type placedRun struct {
	dir string
	Run
}

// largestGrid returns a run of the grid to which most runs belong, or of the first of several.
func largestGrid(runs []placedRun) (of placedRun) {
	most := 0
	for i, r := range runs {
		first := !slices.ContainsFunc(runs[:i], func(o placedRun) bool { return sameGrid(o.Config, r.Config) == nil })
		if !first {
			continue
		}
		n := 0
		for _, o := range runs[i:] {
			if sameGrid(o.Config, r.Config) == nil {
				n++
			}
		}
		if n > most {
			most, of = n, r
		}
	}
	return of
}

// misplaced returns an error for a directory that has the ID of another run as its name, or
// whose run is also in the directory of its ID or in an earlier one.
func misplaced(name, id string, at map[string]string) error {
	if name != id && idForm.MatchString(name) {
		return fmt.Errorf("%s belongs to another run, %s", configFile, id)
	}
	if other, ok := at[id]; ok && other != name {
		return fmt.Errorf("it is a copy of the run in %s", other)
	}
	at[id] = name
	return nil
}

// runDirs returns the paths in a directory that are named like a run or hold a file of one.
// A missing directory has none.
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

// holdsRun reports whether a directory has a file that only runs have. Checkpoints of other
// programs also have weights and a config.
func holdsRun(dir string) bool {
	return slices.ContainsFunc([]string{metricsFile, probesFile, speedFile, summaryFile}, func(file string) bool {
		_, err := os.Lstat(filepath.Join(dir, file))
		return err == nil
	})
}

// CheckCheckpoint returns an error if path is the directory of a run that Read cannot read.
// It returns nil if path is not the directory of a run.
func CheckCheckpoint(path string, checkModel ModelCheck) error {
	if !holdsRun(path) {
		return nil
	}
	if _, err := Read(path, checkModel); err != nil {
		return fmt.Errorf("%w (give %s to load only the weights)", err, filepath.Join(path, weightsFile))
	}
	return nil
}
