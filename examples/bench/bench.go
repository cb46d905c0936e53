package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
)

// bench is a run of the benchmark.
type bench struct {
	options
	ctx      context.Context
	out      io.Writer
	progress *progress
	peers    *peers // nil without PyTorch
}

// measure runs the sections and prints each one's table when it is done.
func (o options) measure(ctx context.Context, stdout, stderr io.Writer) (err error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	b := &bench{options: o, ctx: ctx, out: stdout, progress: newProgress(stderr)}
	defer b.progress.Clear()
	if slices.ContainsFunc(o.sections, func(s section) bool { return s.pytorch }) {
		b.progress.show("looking for PyTorch")
		b.peers, err = startPeers(ctx, o.python, o.threads, b.progress)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		defer b.peers.close()
		b.progress.Clear()
		if err != nil {
			fmt.Fprintf(b.out, "PyTorch is left out: %v\n\n", err)
		}
	}
	fmt.Fprintf(b.out, "Processor: %s. Go: %s, our kernels: %s.%s%s\n", processor(), runtime.Version(), implementation(), b.peers, coresLine(o.threads))
	for i, s := range o.sections {
		b.progress.section = fmt.Sprintf("%s (%d of %d)", s.name, i+1, len(o.sections))
		if err := s.run(b); err != nil {
			return err
		}
	}
	return nil
}

// processor is the name of the processor, where the system tells.
func processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	name := runtime.GOARCH
	for line := range strings.Lines(string(b)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			name = strings.TrimSpace(value)
		}
	}
	return fmt.Sprintf("%s, %s", name, plural(runtime.NumCPU(), "core"))
}

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
