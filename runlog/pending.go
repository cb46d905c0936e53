package runlog

import (
	"fmt"
	"os"
	"path/filepath"
)

// Finished reads the run that a config makes from dir. It is an error if it is not
// there or did not come to its end.
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

// Pending returns the indices of those configs whose runs, each in a folder of its ID,
// are not finished in a directory and, among them, those of which something is there
// that is to be made again. It is an error if the directory holds a run of another
// grid: one with other settings than the axes.
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
		if readJSON(filepath.Join(dir, configFile), &f.Config) == nil { // of a run without one it is not known
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
