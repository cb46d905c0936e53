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

Trains a small Gorgonia classifier under each norm at each learning rate: three
hidden layers of 64, from the byte counts of 256 bytes of Go's own source to the
language they are written in, one of six. Snippets to train on and snippets to
test on come from different files; all runs of a seed start from the same weights
and see the same batches. Prints the test accuracy, the mean of all seeds and
their standard deviation; chance is 17 %.

  go run .                            the table, in half a minute
  go run . -log                       log(1 + count) for counts: what scaling the input does
  go run . -lr 0.003 -seeds 10        one rate, more seeds
  go run . -src /path/to/go/src       the source of another Go

On one kind of processor the same source gives the same numbers, but for times.

Flags:
`

type options struct {
	rates []float64
	seeds int
	steps int
	log   bool
	src   string
}

// parse reads the command line. Asked for help, it writes that to help.
func parse(args []string, help io.Writer) (options, error) {
	o := options{rates: []float64{0.001, 0.003, 0.01, 0.03, 0.1}}
	f := flag.NewFlagSet("embed", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Func("lr", "learning `rates` of Adam, between commas (default 0.001,0.003,0.01,0.03,0.1)", func(s string) error {
		o.rates = nil
		for item := range strings.SplitSeq(s, ",") {
			lr, err := strconv.ParseFloat(strings.TrimSpace(item), 64)
			if err != nil || !(lr > 0 && lr <= 1000) {
				return fmt.Errorf("%q is no learning rate, want a number above 0, 1000 at most", item)
			}
			o.rates = append(o.rates, lr)
		}
		return nil
	})
	f.IntVar(&o.seeds, "seeds", 3, "the `number` of seeds of weights and batches")
	f.IntVar(&o.steps, "steps", 200, "the `number` of training steps of each run, of 64 snippets each")
	f.BoolVar(&o.log, "log", false, "feed log(1 + count) to the model, not the counts themselves")
	f.StringVar(&o.src, "src", "", "the src `folder` of a Go distribution (default that of the go command)")
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
