// Package lab trains grids of runs. It plans them, estimates their time, trains several at
// a time, shares them among machines, and resumes where it stopped.
package lab

import (
	"cmp"
	"context"
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
	Jobs int // runs at a time

	// Run calls OnStep, if not nil, after each step, and OnDone after a run is written.
	// The calls do not overlap.
	OnStep func(runlog.Config, runlog.Step)
	OnDone func(runlog.Run)
}

// Pending returns the runs that are not finished, and describes those of them whose folders
// exist already. It returns an error if Dir holds a run of another grid, which differs in a
// setting other than an axis.
func (l *Lab) Pending(cs []runlog.Config) (pending []runlog.Config, redone []runlog.Broken, err error) {
	return train.Pending(l.Dir, cs, l.Text)
}

func (l *Lab) path(c runlog.Config) string { return filepath.Join(l.Dir, c.ID()) }

// Run trains and writes the runs, Jobs at a time, except those that another process has
// finished in the meantime. If ctx is cancelled, Run writes the current runs as interrupted
// and returns nil. If a run fails, Run ends the others in the same way and returns its
// error.
func (l *Lab) Run(ctx context.Context, cs []runlog.Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	divideThreads(l.Jobs)
	defer cpu.SetThreads(0)

	todo := make(chan runlog.Config, len(cs))
	for _, c := range cs {
		todo <- c
	}
	close(todo)
	var mu sync.Mutex // guards the callbacks and first
	var first error
	var workers sync.WaitGroup
	for range l.Jobs {
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
	return first
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
	model, run, err := train.Train(ctx, c, l.Text, func(s runlog.Step) {
		if l.OnStep != nil {
			mu.Lock()
			defer mu.Unlock()
			l.OnStep(c, s)
		}
	})
	if err != nil || run.Summary.Steps == 0 {
		return run, err
	}
	return run, train.WriteRun(l.path(c), run, model)
}
