package runlog

import (
	"fmt"
	"os"
	"path/filepath"
)

// Finished reads the run of a config from dir. It is an error if dir holds no such run
// or the run was interrupted.
func Finished(dir string, c Config, model Model) (Run, error) {
	r, err := Read(dir, model)
	if err != nil {
		return r, err
	}
	if err := sameRun(r.Config, c); err != nil {
		return r, fmt.Errorf("%s: %s is of another run: %w", dir, configFile, err)
	}
	if r.Summary.Interrupted {
		return r, fmt.Errorf("%s: stopped at step %d of %d", dir, r.Summary.Steps, c.Steps)
	}
	return r, nil
}

// Pending returns the indices of the configs whose runs are not finished in a directory,
// each run in a folder named by its ID, and describes those of them whose folders exist
// already. It is an error if the directory holds a run of another grid: one that differs
// in a setting that is no axis.
func Pending(dir string, cs []Config, model Model) (pending []int, again []Broken, err error) {
	dirs, err := runDirs(dir)
	if err != nil {
		return nil, nil, err
	}
	type found struct {
		dir string
		Config
	}
	var there []found
	for _, dir := range dirs {
		f := found{dir: dir}
		if readJSON(filepath.Join(dir, configFile), &f.Config) == nil { // without a config the run may be of any grid
			there = append(there, f)
		}
	}
	for i, c := range cs {
		for _, f := range there {
			if err := sameGrid(f.Config, c); err != nil {
				return nil, nil, fmt.Errorf("%s is a run of another grid: %w (give another -out, or remove it)", f.dir, err)
			}
		}
		path := filepath.Join(dir, c.ID())
		_, unfinished := Finished(path, c, model)
		if unfinished == nil {
			continue
		}
		pending = append(pending, i)
		if _, err := os.Lstat(path); err == nil {
			again = append(again, brokenRun(path, unfinished))
		}
	}
	return pending, again, nil
}
