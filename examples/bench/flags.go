package main

import (
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
	"gorgonorm/internal/benchmark"
)

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
	only := f.String("only", strings.Join(names, ","), "`sections` to measure, separated by commas")
	threads := f.String("threads", most, "`numbers` of threads to measure with, separated by commas")
	f.StringVar(&c.Kernels, "kernels", "", fmt.Sprintf("`kernels` to measure, of %s; by default the last",
		strings.ToLower(strings.Join(benchmark.KernelNames(), ", "))))
	python := f.String("python", "python3,/usr/bin/python3",
		"Python `interpreters` to search for PyTorch, separated by commas; \"\" leaves PyTorch out")
	f.IntVar(&c.Rounds, "rounds", 15, "rounds of each comparison; slow comparisons take fewer")
	f.DurationVar(&c.Sample, "sample", 10*time.Millisecond, "least `time` of each contestant in a round")
	f.BoolVar(&c.Quick, "quick", false, "tiny sizes, for a test of the program; their figures mean little")
	if err := cli.Parse(f, args, about+"\nFlags:\n", help); err != nil {
		return c, err
	}
	if !known(c.Kernels) {
		return c, cli.Usage(fmt.Errorf("-kernels is %q, want one that this machine can run: %s",
			c.Kernels, strings.ToLower(strings.Join(benchmark.KernelNames(), ", "))))
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

// known reports whether this machine can run the kernels.
func known(kernels string) bool {
	return kernels == "" || slices.ContainsFunc(benchmark.KernelNames(), func(name string) bool {
		return strings.EqualFold(name, kernels)
	})
}

// list returns the items of a list separated by commas.
func list(s string) (items []string) {
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// sections returns the sections named by -only.
func sections(only string) ([]benchmark.Section, error) {
	chosen, rest := benchmark.Choose(list(only))
	if len(rest) > 0 {
		return nil, fmt.Errorf("-only has %q, which is not a section or is given twice", rest[0])
	}
	if len(chosen) == 0 {
		return nil, errors.New("-only is empty, want sections")
	}
	return chosen, nil
}

// counts returns the numbers given by -threads.
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
