// Package benchmark measures the norms, the matrix product and the training step
// of this repository beside what one would otherwise use: copying memory,
// Gorgonia's own operations, gonum and PyTorch. It is what examples/bench runs.
//
// The contestants of a comparison work in turn, round after round, so that what
// else the machine does befalls all of them alike. A time is the median of the
// rounds, a ratio the median of the rounds' ratios.
package benchmark

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"
)

// Section is a part of the benchmark with a table of its own.
type Section struct {
	Name, About string
	pytorch     bool // has PyTorch as a contestant
	run         func(*bench) error
}

// Sections are all of them, in the order in which they are measured.
var Sections = []Section{
	{"copy", "norm kernels beside copying a tensor", false, (*bench).besideCopy},
	{"norms", "norms forward and backward beside PyTorch", true, (*bench).besidePyTorch},
	{"gorgonia", "norms on a graph beside Gorgonia's operations", false, (*bench).besideGorgonia},
	{"gemm", "matrix products beside gonum and PyTorch", true, (*bench).matrixProducts},
	{"step", "a training step beside PyTorch, and beside its matrix products", true, (*bench).trainingStep},
	{"growth", "cost an element and a token as sizes grow 64-fold", false, (*bench).growth},
}

// Choose returns the sections with those names, in the order of Sections. Names
// that are left over are of no section, or are given twice.
func Choose(names []string) (chosen []Section, left []string) {
	left = slices.Clone(names)
	for _, s := range Sections {
		if i := slices.Index(left, s.Name); i >= 0 {
			chosen = append(chosen, s)
			left = slices.Delete(left, i, i+1)
		}
	}
	return chosen, left
}

// Config says what to measure, and how long.
type Config struct {
	Sections []Section
	Threads  []int         // the numbers of threads to measure with
	Python   []string      // interpreters to look for PyTorch in
	Rounds   int           // of each comparison; a slow one has fewer
	Sample   time.Duration // that each contestant works in a round, at least
	Quick    bool          // tiny sizes, whose figures mean little
}

// Progress shows what is being measured.
type Progress interface {
	io.Writer         // of lines that stay
	Show(what string) // replaces what was shown before
	Clear()           // removes what was shown
}

// bench is a run of the benchmark.
type bench struct {
	ctx      context.Context
	out      io.Writer
	progress *progress
	meter    meter
	sizes    sizes
	threads  []int  // the fewest first
	peers    *peers // nil without PyTorch
}

// Run measures the sections and writes each one's table to out when it is done.
// Without PyTorch it leaves out the columns that need it and says why.
func Run(ctx context.Context, c Config, out io.Writer, show Progress) error {
	if len(c.Threads) == 0 || slices.Min(c.Threads) < 1 || c.Rounds < 1 {
		return fmt.Errorf("benchmark: Threads are %d and Rounds %d, want at least one number of threads, and nothing below 1",
			c.Threads, c.Rounds)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	defer show.Clear()
	b := &bench{ctx: ctx, out: out, progress: &progress{Progress: show}, meter: meter{c.Rounds, c.Sample}, sizes: full,
		threads: slices.Compact(slices.Sorted(slices.Values(c.Threads)))}
	if c.Quick {
		b.sizes = tiny
	}
	if slices.ContainsFunc(c.Sections, func(s Section) bool { return s.pytorch }) {
		b.findPyTorch(c.Python)
		defer b.peers.close()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	fmt.Fprintf(out, "Processor: %s. Go: %s, our kernels: %s.%s%s\n",
		processor(), runtime.Version(), implementation(), b.peers, coresLine(b.most()))
	for i, s := range c.Sections {
		b.progress.section = fmt.Sprintf("%s (%d of %d)", s.Name, i+1, len(c.Sections))
		if err := s.run(b); err != nil {
			return err
		}
	}
	return nil
}

// findPyTorch starts PyTorch, or says why there is none.
func (b *bench) findPyTorch(interpreters []string) {
	b.progress.show("looking for PyTorch")
	var err error
	b.peers, err = startPeers(b.ctx, interpreters, b.threads, b.progress)
	b.progress.Clear()
	if err != nil && b.ctx.Err() == nil {
		fmt.Fprintf(b.out, "PyTorch is left out: %v\n\n", err)
	}
}

// most is the largest number of threads.
func (b *bench) most() int { return b.threads[len(b.threads)-1] }

// compare measures contestants, all of them on that many threads unless it is 0.
func (b *bench) compare(threads int, what string, cs ...contestant) (samples, error) {
	if threads > 0 {
		what += ", " + plural(threads, "thread")
		for i, c := range cs {
			cs[i] = c.on(threads)
		}
	}
	b.progress.show(what)
	return b.meter.measure(b.ctx, cs...)
}

// print writes a section: its title, what its columns mean, and the table.
func (b *bench) print(title, about string, t *table) error {
	b.progress.Clear()
	fmt.Fprintf(b.out, "\n### %s\n\n%s\n\n", title, about)
	return t.write(b.out)
}
