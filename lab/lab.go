// Package lab trains grids of runs. It plans them, estimates their time, trains several at
// a time, shares them among machines, and resumes where it stopped.
package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"gorgonorm/internal/cpu"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

// Lab trains the runs of a grid in one directory, with a folder for each run, named by its
// ID.
type Lab struct {
	Text *train.Corpus
	Dir  string
	Jobs int // runs at a time; 1 if it is less

	// Checkpoints is the distance between two checkpoints of a run; nil for none. They are in a
	// folder of Dir until the run is written, so that a run that is stopped goes on from there.
	Checkpoints *train.Interval

	// Run calls OnStep, if not nil, after each step, OnDone after a run is written, and OnNote
	// with what a user should know of checkpoints. The calls do not overlap.
	OnStep func(runlog.Config, runlog.Step)
	OnDone func(runlog.Run)
	OnNote func(string)

	dir fs.FileInfo // of Dir when Run began
}

// Pending returns the runs that are not finished, and describes those of them whose folders
// exist already. It returns an error if Dir holds a run of another grid, which differs in a
// setting other than an axis.
func (l *Lab) Pending(cs []runlog.Config) (pending []runlog.Config, redone []runlog.Broken, err error) {
	return train.Pending(l.Dir, cs, l.Text)
}

func (l *Lab) path(c runlog.Config) string { return filepath.Join(l.Dir, c.ID()) }

// checkpoints is the folder of checkpoints in a lab's directory. It has a folder for each run.
const checkpoints = "checkpoints"

// saved returns the folder of a run's checkpoints.
func (l *Lab) saved(c runlog.Config) string { return filepath.Join(l.Dir, checkpoints, c.ID()) }

// removeSaved removes the checkpoints of runs that are finished, and the folder if no others are left.
func (l *Lab) removeSaved(cs ...runlog.Config) (err error) {
	for _, c := range cs {
		err = errors.Join(err, os.RemoveAll(l.saved(c)))
	}
	_ = os.Remove(filepath.Join(l.Dir, checkpoints)) // fails while others are left
	return err
}

// Resumable returns the steps from which runs go on that were stopped, by their IDs. It returns an
// error if there are checkpoints of another grid.
func (l *Lab) Resumable(cs []runlog.Config) (from map[string]int, err error) {
	from = make(map[string]int)
	if l.Checkpoints == nil {
		return from, nil
	}
	for _, c := range cs {
		step, err := train.Resumable(l.saved(c), c, l.Text)
		if err != nil {
			return nil, fmt.Errorf("%w (give another -out, or remove %s)", err, l.saved(c))
		}
		if step > 0 {
			from[c.ID()] = step
		}
	}
	return from, nil
}

// Run trains and writes the runs, Jobs at a time, except those that another process has
// finished in the meantime. If ctx is cancelled, Run writes the current runs as interrupted
// and returns nil. If a run fails, Run ends the others in the same way and returns its
// error.
func (l *Lab) Run(ctx context.Context, cs []runlog.Config) error {
	if err := os.MkdirAll(l.Dir, 0o777); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	dir, err := os.Open(l.Dir) // while it is open, no new directory can be taken for it
	if err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	defer dir.Close()
	if l.dir, err = dir.Stat(); err != nil {
		return fmt.Errorf("lab: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	jobs := max(1, min(l.Jobs, len(cs)))
	divideThreads(jobs)
	defer cpu.SetThreads(0)

	todo := make(chan runlog.Config, len(cs))
	for _, c := range cs {
		todo <- c
	}
	close(todo)
	var mu sync.Mutex // guards the callbacks and first
	var first error
	var workers sync.WaitGroup
	for range jobs {
		workers.Go(func() {
			for c := range todo {
				if ctx.Err() != nil {
					return
				}
				if err := l.runOne(ctx, c, &mu); err != nil {
					mu.Lock()
					first = cmp.Or(first, err)
					mu.Unlock()
					cancel()
				}
				runtime.GC() // frees this run's memory before the next run allocates
			}
		})
	}
	workers.Wait()
	return cmp.Or(first, l.removeSaved())
}

// divideThreads limits each of the jobs to its part of the threads.
func divideThreads(jobs int) { cpu.SetThreads(max(1, runtime.GOMAXPROCS(0)/jobs)) }

// runOne trains and writes a run, and calls OnDone.
func (l *Lab) runOne(ctx context.Context, c runlog.Config, mu *sync.Mutex) error {
	run, err := l.trainAndWrite(ctx, c, mu)
	if err != nil || run.Summary.Steps == 0 { // interrupted before its first step
		return err
	}
	if l.OnDone != nil {
		mu.Lock()
		defer mu.Unlock()
		l.OnDone(run)
	}
	return nil
}

// trainAndWrite trains a run and writes it, or reads it if it is finished.
func (l *Lab) trainAndWrite(ctx context.Context, c runlog.Config, mu *sync.Mutex) (runlog.Run, error) {
	if r, err := train.Finished(l.path(c), c, l.Text); err == nil {
		return r, nil
	}
	onStep := func(s runlog.Step) {
		if l.OnStep != nil {
			mu.Lock()
			defer mu.Unlock()
			l.OnStep(c, s)
		}
	}
	var options []train.Option
	if l.Checkpoints != nil {
		options = append(options, train.WithCheckpoints(train.Checkpoints{
			Dir: l.saved(c), Every: *l.Checkpoints, Log: func(s string) {
				if l.OnNote != nil {
					mu.Lock()
					defer mu.Unlock()
					l.OnNote(s)
				}
			},
		}))
	}
	model, run, err := train.Train(ctx, c, l.Text, onStep, options...)
	if err != nil || run.Summary.Steps == 0 {
		return run, err
	}
	if now, err := os.Stat(l.Dir); err != nil || !now.IsDir() || !os.SameFile(now, l.dir) {
		return run, fmt.Errorf("lab: %s was removed while %s was trained", l.Dir, c.ID())
	}
	if err := train.WriteRun(l.path(c), run, model); err != nil || run.Summary.Interrupted {
		return run, err
	}
	return run, os.RemoveAll(l.saved(c))
}
