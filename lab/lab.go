// Package lab trains many runs: a grid of them, planned, estimated, shared among
// machines, done side by side, and gone on with where it was stopped.
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

// Pending returns those of the runs that are not finished and, among them, those of
// which something is there that is to be made again. It is an error if the directory
// holds a run of another grid: one with other settings than the axes.
func (l *Lab) Pending(cs []runlog.Config) (pending []runlog.Config, again []runlog.Broken, err error) {
	return train.Pending(l.Dir, cs, l.Text)
}

func (l *Lab) path(c runlog.Config) string { return filepath.Join(l.Dir, c.ID()) }

// Run trains and writes the runs, Jobs at a time, but for those that another
// process has finished meanwhile. A cancelled context ends those at hand, which are
// written as interrupted, and is no error; an error of a run ends the others in the
// same way.
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
