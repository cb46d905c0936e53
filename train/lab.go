package train

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"sync"

	"gorgonorm/internal/cpu"
)

// Lab trains the runs of a grid into one directory, each into a folder of its ID.
type Lab struct {
	Text *Corpus
	Dir  string
	Jobs int // runs side by side

	// OnStep and OnDone, if not nil, are called after each step and when a run is
	// written, by one run at a time.
	OnStep func(Config, Step, Speed)
	OnDone func(Run)
}

// Pending are those of the runs that are not finished. It is an error if the
// directory holds a run of another grid: one with other settings than the axes.
func (l *Lab) Pending(cs []Config) (pending []Config, err error) {
	there, err := findRuns(l.Dir)
	if err != nil {
		return nil, err
	}
	for _, f := range there {
		if err := SameGrid(f.Config, cs[0].on(l.Text)); err != nil {
			return nil, fmt.Errorf("train: %s is a run of another grid: %w (give another -out, or remove it)", f.dir, err)
		}
	}
	for _, c := range cs {
		var s Summary
		if err := readJSON(filepath.Join(l.Dir, c.ID(), summaryFile), &s); err != nil || s.Interrupted {
			pending = append(pending, c)
		}
	}
	return pending, nil
}

// Run trains and writes the runs, Jobs at a time. A cancelled context ends those
// at hand, which are written as interrupted, and is no error; an error of a run
// ends the others in the same way.
func (l *Lab) Run(ctx context.Context, cs []Config) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	share(l.Jobs)
	defer cpu.SetThreads(0)

	todo := make(chan Config, len(cs))
	for _, c := range cs {
		todo <- c
	}
	close(todo)
	var mu sync.Mutex // held by callbacks
	var workers sync.WaitGroup
	for range l.Jobs {
		workers.Go(func() {
			for c := range todo {
				if ctx.Err() != nil {
					return
				}
				if err := l.one(ctx, c, &mu); err != nil {
					cancel(err)
				}
				runtime.GC() // or the next run takes memory while this one's still counts
			}
		})
	}
	workers.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// share gives each of so many callers its part of the threads.
func share(jobs int) { cpu.SetThreads(max(1, runtime.GOMAXPROCS(0)/jobs)) }

func (l *Lab) one(ctx context.Context, c Config, mu *sync.Mutex) error {
	model, run, err := Train(ctx, c, l.Text, func(s Step, speed Speed) {
		if l.OnStep != nil {
			mu.Lock()
			defer mu.Unlock()
			l.OnStep(c, s, speed)
		}
	})
	if err != nil {
		return err
	}
	if run.Summary.Steps == 0 { // interrupted at once
		return nil
	}
	if err := WriteRun(filepath.Join(l.Dir, c.ID()), run, model); err != nil {
		return err
	}
	if l.OnDone != nil {
		mu.Lock()
		defer mu.Unlock()
		l.OnDone(run)
	}
	return nil
}
