package runlog

import (
	"fmt"
	"os"
	"path/filepath"
)

// Finished reads the run of a config from dir. It returns an error if dir does not hold
// this run, or if the run was interrupted.
func Finished(dir string, c Config, checkModel ModelCheck) (Run, error) {
	r, err := Read(dir, checkModel)
	if err != nil {
		return r, err
	}
	if err := SameRun(r.Config, c); err != nil {
		return r, fmt.Errorf("%s: %s belongs to another run: %w", dir, configFile, err)
	}
	if r.Summary.Interrupted {
		return r, fmt.Errorf("%s: stopped at step %d of %d", dir, r.Summary.Steps, c.Steps)
	}
	return r, nil
}

// Pending returns the indices of the configs whose runs are not finished in a directory,
// where each run has a folder named by its ID. It also describes the pending runs whose
// folders exist already. It returns an error if the directory holds a run of another grid,
// which differs in a setting other than an axis.
func Pending(dir string, cs []Config, checkModel ModelCheck) (pending []int, redone []Broken, err error) {
	dirs, err := runDirs(dir)
	if err != nil {
		return nil, nil, err
	}
	type found struct {
		dir string
		Config
	}
	var present []found
	for _, dir := range dirs {
		f := found{dir: dir}
		if readJSON(filepath.Join(dir, configFile), &f.Config) == nil { // a broken config belongs to no grid
			present = append(present, f)
		}
	}
	for i, c := range cs {
		for _, f := range present {
			if err := sameGrid(f.Config, c); err != nil {
				return nil, nil, fmt.Errorf("%s belongs to another grid: %w (give another -out, or remove it)", f.dir, err)
			}
		}
		path := filepath.Join(dir, c.ID())
		_, unfinished := Finished(path, c, checkModel)
		if unfinished == nil {
			continue
		}
		pending = append(pending, i)
		if _, err := os.Lstat(path); err == nil {
			redone = append(redone, brokenRun(path, unfinished))
		}
	}
	return pending, redone, nil
}
