// Bench compares the norms, the matrix product and the training step of this repository
// with memory copies, Gorgonia's own operations, gonum and PyTorch.
//
//	go run ./examples/bench
//	go run ./examples/bench -only copy,gemm -threads 1
//
// It measures all of them in turn, in one run, and prints medians. Package
// internal/benchmark documents the method and the tables.
package main

import (
	"context"
	"io"

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

Compares this repository with memory copies, Gorgonia's own operations, gonum
and PyTorch, in float32. The contestants of a comparison work in turn, round
after round. A time is the median of the rounds, a ratio the median of the
rounds' ratios. Prints tables in Markdown to standard output and progress to
standard error. Ctrl-C ends the run and keeps the tables printed so far. Run it
on a machine that does nothing else.

Sections:
`
