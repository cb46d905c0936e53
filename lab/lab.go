// Package lab trains grids of runs: it plans and estimates them, runs them side by
// side, shares them among machines, and resumes where it was stopped.
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

// Lab trains the runs of a grid into one directory, each into a folder of its ID.
type Lab struct {
	Text *train.Corpus
	Dir  string
	Jobs int // runs side by side

	// OnStep and OnDone, if not nil, are called after each step and when a run is
	// written, by one run at a time.
	OnStep func(runlog.Config, runlog.Step)
	OnDone func(runlog.Run)
}

// Pending returns the runs that are not finished, and those of them whose directories
// exist already. It is an error if Dir holds a run of another grid: one that differs in
// a setting that is no axis.
func (l *Lab) Pending(cs []runlog.Config) (pending []runlog.Config, again []runlog.Broken, err error) {
	return train.Pending(l.Dir, cs, l.Text)
}

func (l *Lab) path(c runlog.Config) string { return filepath.Join(l.Dir, c.ID()) }

// Run trains and writes the runs, Jobs at a time, except those that another process
// has finished meanwhile. A cancelled context is no error: it ends the current runs,
// which are written as interrupted. An error of a run ends the others in the same way.
func (l *Lab) Run(ctx context.Context, cs []runlog.Config) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	share(l.Jobs)
	defer cpu.SetThreads(0)

	todo := make(chan runlog.Config, len(cs))
	for _, c := range cs {
		todo <- c
	}
	close(todo)
	var mu sync.Mutex // held by callbacks and for the error
	var first error
	var workers sync.WaitGroup
	for range l.Jobs {
		workers.Go(func() {
			for c := range todo {
				if ctx.Err() != nil {
					return
				}
				if err := l.one(ctx, c, &mu); err != nil {
					mu.Lock()
					first = cmp.Or(first, err)
					mu.Unlock()
					cancel()
				}
				runtime.GC() // or the next run takes memory while this one's still counts
			}
		})
	}
	workers.Wait()
	return first
}

// share gives each of so many callers its part of the threads.
func share(jobs int) { cpu.SetThreads(max(1, runtime.GOMAXPROCS(0)/jobs)) }

func (l *Lab) one(ctx context.Context, c runlog.Config, mu *sync.Mutex) error {
	run, err := l.trained(ctx, c, mu)
	if err != nil || run.Summary.Steps == 0 { // interrupted at once
		return err
	}
	if l.OnDone != nil {
		mu.Lock()
		defer mu.Unlock()
		l.OnDone(run)
	}
	return nil
}

// trained is the run as it was found, or made and written.
func (l *Lab) trained(ctx context.Context, c runlog.Config, mu *sync.Mutex) (runlog.Run, error) {
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
