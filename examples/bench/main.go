// Bench measures the norms, the matrix product and the training step of this
// repository beside what one would otherwise use: copying memory, Gorgonia's own
// operations, gonum and PyTorch.
//
//	go run ./examples/bench
//
// All are measured in one run, in turn, and what is printed are medians.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorgonorm/examples/internal/cli"
)

func main() { cli.Main(run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout)
	if err == nil {
		err = o.measure(ctx, stdout, stderr)
	}
	return cli.Status("bench", err, "stopped", stderr)
}

// section is a part of the benchmark with a table of its own.
type section struct {
	name, about string
	pytorch     bool // has PyTorch as a contestant
	run         func(*bench) error
}

var sections = []section{
	{"copy", "norm kernels beside copying a tensor", false, (*bench).besideCopy},
	{"norms", "norms forward and backward beside PyTorch", true, (*bench).besidePyTorch},
	{"gorgonia", "norms on a graph beside Gorgonia's operations", false, (*bench).besideGorgonia},
	{"gemm", "matrix products beside gonum and PyTorch", true, (*bench).matrixProducts},
	{"step", "a training step beside PyTorch, and beside its matrix products", true, (*bench).trainingStep},
	{"growth", "cost an element and a token as sizes grow 64-fold", false, (*bench).growth},
}

// options are the command line.
type options struct {
	sections []section
	threads  []int
	python   []string
	meter    meter
	sizes    sizes
}

const usage = `Usage: go run ./examples/bench [flags]

Measures this repository beside what one would otherwise use, in float32. The
contestants of a comparison work in turn, round after round; a time is the median
of the rounds, a ratio the median of the rounds' ratios. Tables are in Markdown and
go to standard output, progress goes to standard error. Ctrl-C ends the run; the
tables up to there remain. The machine should have nothing else to do.

Sections:
`

func parse(args []string, help io.Writer) (o options, err error) {
	var names, threads []string
	for _, s := range sections {
		names = append(names, s.name)
	}
	threads = append(threads, "1")
	if n := runtime.NumCPU(); n > 1 {
		threads = append(threads, strconv.Itoa(n))
	}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := f.String("only", strings.Join(names, ","), "the `sections` to measure, with commas between")
	onThreads := f.String("threads", strings.Join(threads, ","), "the `numbers` of threads to measure with, with commas between")
	python := f.String("python", "python3,/usr/bin/python3", "Python `interpreters` to look for PyTorch in; \"\" leaves PyTorch out")
	f.IntVar(&o.meter.rounds, "rounds", 15, "rounds of each comparison; a slow one has fewer")
	f.DurationVar(&o.meter.sample, "sample", 10*time.Millisecond, "`time` that each contestant works in a round, at least")
	quick := f.Bool("quick", false, "tiny sizes, to see that all of it works; the figures mean little")
	about := usage
	for _, s := range sections {
		about += fmt.Sprintf("  %-9s %s\n", s.name, s.about)
	}
	if err := cli.Parse(f, args, about+"\nFlags:\n", help); err != nil {
		return o, err
	}
	o.sizes = full
	if *quick {
		o.sizes = tiny
	}
	if o.meter.rounds < 1 {
		return o, cli.Usage(fmt.Errorf("-rounds is %d, want 1 or more", o.meter.rounds))
	}
	if o.sections, err = choose(*only); err != nil {
		return o, cli.Usage(err)
	}
	if o.threads, err = counts(*onThreads); err != nil {
		return o, cli.Usage(err)
	}
	o.python = list(*python)
	return o, nil
}

// list is what stands between commas.
func list(s string) (items []string) {
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// choose finds sections by name, in the order that they are in.
func choose(only string) (chosen []section, err error) {
	names := list(only)
	for _, s := range sections {
		if i := slices.Index(names, s.name); i >= 0 {
			chosen = append(chosen, s)
			names = slices.Delete(names, i, i+1)
		}
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("-only has %q, which is no section or is given twice", names[0])
	}
	if len(chosen) == 0 {
		return nil, errors.New("-only is empty, want sections")
	}
	return chosen, nil
}

// counts are numbers of threads, the fewest first.
func counts(threads string) (ns []int, err error) {
	const most = 1024
	for _, s := range list(threads) {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > most {
			return nil, fmt.Errorf("-threads has %q, want numbers from 1 to %d", s, most)
		}
		ns = append(ns, n)
	}
	if len(ns) == 0 {
		return nil, errors.New("-threads is empty, want numbers")
	}
	slices.Sort(ns)
	return slices.Compact(ns), nil
}
