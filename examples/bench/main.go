// Bench measures the norms, the matrix product and the training step of this
// repository beside what one would otherwise use: copying memory, Gorgonia's own
// operations, gonum and PyTorch.
//
//	go run ./examples/bench
//	go run ./examples/bench -only copy,gemm -threads 1
//
// All are measured in one run, in turn, and the figures printed are medians. How
// that is done, and what each table compares, is in package internal/benchmark.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"time"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/internal/benchmark"
)

func main() { cli.Main(run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c, err := parse(args, stdout)
	if err == nil {
		err = benchmark.Run(ctx, c, stdout, cli.NewLine(stderr))
	}
	return cli.Status("bench", err, "stopped", stderr)
}

const usage = `Usage: go run ./examples/bench [flags]

Measures this repository beside what one would otherwise use, in float32. The
contestants of a comparison work in turn, round after round; a time is the median
of the rounds, a ratio the median of the rounds' ratios. Tables are in Markdown and
go to standard output, progress goes to standard error. Ctrl-C ends the run; the
tables up to there remain. The machine should have nothing else to do.

Sections:
`

// parse reads the command line.
func parse(args []string, help io.Writer) (c benchmark.Config, err error) {
	about, names, most := usage, []string{}, "1"
	for _, s := range benchmark.Sections {
		about += fmt.Sprintf("  %-9s %s\n", s.Name, s.About)
		names = append(names, s.Name)
	}
	if n := runtime.NumCPU(); n > 1 {
		most += fmt.Sprintf(",%d", n)
	}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	only := f.String("only", strings.Join(names, ","), "the `sections` to measure, with commas between")
	threads := f.String("threads", most, "the `numbers` of threads to measure with, with commas between")
	python := f.String("python", "python3,/usr/bin/python3",
		"Python `interpreters` to look for PyTorch in; \"\" leaves PyTorch out")
	f.IntVar(&c.Rounds, "rounds", 15, "rounds of each comparison; a slow one has fewer")
	f.DurationVar(&c.Sample, "sample", 10*time.Millisecond, "`time` that each contestant works in a round, at least")
	f.BoolVar(&c.Quick, "quick", false, "tiny sizes, to see that all of it works; the figures mean little")
	if err := cli.Parse(f, args, about+"\nFlags:\n", help); err != nil {
		return c, err
	}
	if c.Rounds < 1 {
		return c, cli.Usage(fmt.Errorf("-rounds is %d, want 1 or more", c.Rounds))
	}
	if c.Sections, err = sections(*only); err != nil {
		return c, cli.Usage(err)
	}
	if c.Threads, err = counts(*threads); err != nil {
		return c, cli.Usage(err)
	}
	c.Python = list(*python)
	return c, nil
}

// list returns what stands between commas.
func list(s string) (items []string) {
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// sections returns the sections that -only names.
func sections(only string) ([]benchmark.Section, error) {
	chosen, left := benchmark.Choose(list(only))
	if len(left) > 0 {
		return nil, fmt.Errorf("-only has %q, which is no section or is given twice", left[0])
	}
	if len(chosen) == 0 {
		return nil, errors.New("-only is empty, want sections")
	}
	return chosen, nil
}

// counts returns the numbers that -threads names.
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
	return ns, nil
}
