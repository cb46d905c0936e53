package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const usage = `Usage: go run . [flags]

Trains a small Gorgonia classifier with each norm at each learning rate. It has
three hidden layers of 64 and predicts, from the byte counts of 256 bytes of
Go's own source, in which of six languages they are written. Snippets for
training and for testing come from different files. All runs of a seed start
from the same weights and have the same batches. Prints the test accuracy, as
mean and standard deviation over the seeds; chance is 17 %.

  go run .                         the table, in half a minute
  go run . -log                    log(1 + count) as the input
  go run . -lr 0.003 -seeds 10     one rate, more seeds
  go run . -src /path/to/go/src    the source of another Go

On one kind of processor the same source gives the same numbers, except times.

Flags:
`

// options are the values of the flags.
type options struct {
	rates []float64
	seeds int
	steps int
	log   bool
	src   string
}

// parse parses the command line. For -h it writes the usage and the flags to help.
func parse(args []string, help io.Writer) (options, error) {
	o := options{rates: []float64{0.001, 0.003, 0.01, 0.03, 0.1}}
	f := flag.NewFlagSet("embed", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	const lrHelp = "learning `rates` of Adam, separated by commas\n(default 0.001,0.003,0.01,0.03,0.1)"
	f.Func("lr", lrHelp, func(s string) error {
		o.rates = nil
		for item := range strings.SplitSeq(s, ",") {
			lr, err := strconv.ParseFloat(strings.TrimSpace(item), 64)
			if err != nil || !(lr > 0 && lr <= 1000) {
				return fmt.Errorf("%q is not a learning rate, want a number above 0, at most 1000", item)
			}
			o.rates = append(o.rates, lr)
		}
		return nil
	})
	f.IntVar(&o.seeds, "seeds", 3, "`number` of seeds of the weights and batches")
	f.IntVar(&o.steps, "steps", 200, "`number` of training steps of each run, of 64 snippets each")
	f.BoolVar(&o.log, "log", false, "feed log(1 + count) to the model instead of counts")
	f.StringVar(&o.src, "src", "", "src `folder` of a Go distribution (default that of the go command)")
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(help, usage)
		f.SetOutput(help)
		f.PrintDefaults()
		return o, err
	case err != nil:
		return o, err
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	case o.seeds < 1:
		return o, fmt.Errorf("-seeds is %d, want 1 or more", o.seeds)
	case o.steps < 2:
		return o, fmt.Errorf("-steps is %d, want 2 or more", o.steps)
	}
	return o, nil
}
