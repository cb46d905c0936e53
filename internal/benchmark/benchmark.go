// Package benchmark compares the norms, the matrix product and the training step of this
// repository with memory copies, Gorgonia's own operations, gonum and PyTorch. The program
// examples/bench runs it.
//
// The contestants of a comparison work in turn, round after round, so that other work of
// the machine affects all of them equally. A time is the median of the rounds, a ratio the
// median of the rounds' ratios.
package benchmark

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"gorgonorm/internal/host"
)

// Section is a part of the benchmark with its own tables.
type Section struct {
	Name, About string
	pytorch     bool // has PyTorch as a contestant
	run         func(*bench) error
}

// Sections has all sections, in the order in which they are measured.
var Sections = []Section{
	{"copy", "norm kernels and copying a tensor", false, (*bench).copying},
	{"addnorm", "a residual connection and a norm in one pass", false, (*bench).addNorm},
	{"norms", "norms forward and backward, and PyTorch", true, (*bench).norms},
	{"gorgonia", "norms on a graph, and Gorgonia's operations", false, (*bench).gorgonia},
	{"gemm", "matrix products, gonum and PyTorch", true, (*bench).matrixProducts},
	{"step", "a training step, its matrix products, and PyTorch", true, (*bench).trainingStep},
	{"growth", "cost per element and per token as sizes grow 64-fold", false, (*bench).growth},
}

// Choose returns the sections with the given names, in the order of Sections. It also
// returns the names that are unknown or given twice.
func Choose(names []string) (chosen []Section, rest []string) {
	rest = slices.Clone(names)
	for _, s := range Sections {
		if i := slices.Index(rest, s.Name); i >= 0 {
			chosen = append(chosen, s)
			rest = slices.Delete(rest, i, i+1)
		}
	}
	return chosen, rest
}

// Config has the settings of a run of the benchmark.
type Config struct {
	Sections []Section
	Threads  []int         // numbers of threads to measure with
	Python   []string      // interpreters to search for PyTorch
	Kernels  string        // one of KernelNames; "" for the fastest
	Rounds   int           // of each comparison; slow comparisons take fewer
	Sample   time.Duration // least time of each contestant in a round
	Quick    bool          // whether to use tiny sizes, whose figures mean little
}

// Progress shows what is being measured.
type Progress interface {
	io.Writer         // writes lines that stay
	Show(text string) // replaces the text shown before
	Clear()           // removes the text shown
}

// bench is a run of the benchmark.
type bench struct {
	ctx      context.Context
	out      io.Writer
	progress *progress
	meter    meter
	sizes    sizes
	threads  []int  // in increasing order
	peers    *peers // nil without PyTorch
}

// Run measures the sections and writes the tables of each section to out when it is
// complete. Without PyTorch it leaves out the columns that need it and writes the reason.
func Run(ctx context.Context, c Config, out io.Writer, show Progress) error {
	if len(c.Threads) == 0 || slices.Min(c.Threads) < 1 || c.Rounds < 1 {
		return fmt.Errorf("benchmark: Threads is %d and Rounds %d, want one number of threads or more, and no number below 1",
			c.Threads, c.Rounds)
	}
	restore, err := useKernels(c.Kernels)
	if err != nil {
		return fmt.Errorf("benchmark: %w", err)
	}
	defer restore()
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
	fmt.Fprintf(out, "Processor: %s, %s. Go: %s, our kernels: %s.%s%s\n",
		host.Processor(), plural(runtime.NumCPU(), "core"), runtime.Version(), implementation(), b.peers,
		coresLine(b.maxThreads()))
	for i, s := range c.Sections {
		b.progress.section = fmt.Sprintf("%s (%d of %d)", s.Name, i+1, len(c.Sections))
		if err := s.run(b); err != nil {
			return err
		}
	}
	return nil
}

// findPyTorch starts PyTorch, or writes why it is not available.
func (b *bench) findPyTorch(interpreters []string) {
	b.progress.show("searching for PyTorch")
	var err error
	b.peers, err = startPeers(b.ctx, interpreters, b.threads, b.progress)
	b.progress.Clear()
	if err != nil && b.ctx.Err() == nil {
		fmt.Fprintf(b.out, "PyTorch is left out: %v\n\n", err)
	}
}

// maxThreads returns the largest number of threads.
func (b *bench) maxThreads() int { return b.threads[len(b.threads)-1] }

// compare measures contestants, all on the given number of threads unless it is 0.
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

// print writes a title, an explanation of the columns, and the table.
func (b *bench) print(title, about string, t *table) error {
	b.progress.Clear()
	fmt.Fprintf(b.out, "\n### %s\n\n%s\n\n", title, about)
	return t.write(b.out)
}
