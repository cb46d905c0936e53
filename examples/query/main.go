// Query prints any measure of training runs as a table, CSV or JSON, and writes them for
// TensorBoard.
//
//	go run ./examples/query -measure loss,val_loss -format csv > metrics.csv
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path"
	"strings"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/export"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

func main() { cli.Main(run) }

const usage = `Usage: go run ./examples/query [flags]

Prints measures of the runs of examples/stability: a line for each run, or for
each step, probe and place in the network where they were measured.

  go run ./examples/query                     the final losses
  go run ./examples/query -measure loss,grad_norm,lr,val_loss \
      -format csv > metrics.csv               every step
  go run ./examples/query -measure residual_rms -run 'layer-*-lr0.01-*,none-*'
  go run ./examples/query -tensorboard events
  tensorboard --logdir events

Before the measures stand the run, its settings, the step and the place: a
block, norm, group of parameters, domain or multiple of the update. The measure
lr is in the column step_lr. Broken runs are left out, and named on stderr.

Measures, losses in nats per token:
`

type options struct {
	out, runs, measures, format, tensorboard string
	found                                    []export.Measure // those that measures names
}

func run(_ context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout)
	if err == nil {
		err = o.print(stdout, stderr)
	}
	return cli.Status("query", err, "stopped", stderr)
}

func parse(args []string, help io.Writer) (o options, err error) {
	about := usage
	for _, m := range export.Measures {
		about += fmt.Sprintf("  %-21s %s\n", m.Name, m.Meaning)
	}
	f := flag.NewFlagSet("query", flag.ContinueOnError)
	f.StringVar(&o.out, "out", "runs", "`directory` of the runs, as of examples/stability")
	f.StringVar(&o.runs, "run", "*", "`patterns` of the names of runs, with * and ?, separated by commas")
	f.StringVar(&o.measures, "measure", "best_val,last_val,median_grad_norm,diverged_at",
		"`measures`, separated by commas")
	f.StringVar(&o.format, "format", "table", "`format`: table, csv or json")
	f.StringVar(&o.tensorboard, "tensorboard", "",
		"write event files with all measures of the runs to this `directory` instead, scalars and histograms over the "+
			"places of the network; the wall time of an event is its step in seconds")
	if err := cli.Parse(f, args, about+"\nFlags:\n", help); err != nil {
		return o, err
	}
	for pattern := range strings.SplitSeq(o.runs, ",") {
		if _, err := path.Match(pattern, ""); err != nil {
			return o, cli.Usage(fmt.Errorf("-run is %q: %w", pattern, err))
		}
	}
	if o.found, err = export.Find(strings.Split(strings.ReplaceAll(o.measures, " ", ""), ",")); err != nil {
		return o, cli.Usage(err)
	}
	return o, cli.Usage(export.Table{}.Write(io.Discard, o.format))
}

// print prints the measures of the chosen runs, or writes their event files.
func (o options) print(stdout, stderr io.Writer) error {
	runlog.RemoveStale(o.out)
	records, err := train.ReadRuns(o.out)
	if err != nil {
		return err
	}
	for _, b := range records.Broken {
		fmt.Fprintf(stderr, "%s is left out because it is broken: %s\n", b.Name, b.Reason)
	}
	runs := o.chosen(records.Runs)
	switch {
	case len(records.Runs) == 0:
		return fmt.Errorf("there are no runs in %s: examples/stability trains some, and -out names their directory", o.out)
	case len(runs) == 0:
		return fmt.Errorf("no run in %s has a name like %q, such as %s", o.out, o.runs, records.Runs[0].Config.ID())
	case o.tensorboard != "":
		return export.TensorBoard(o.tensorboard, runs)
	}
	table := export.TableOf(runs, o.found)
	if len(table.Rows) == 0 {
		return errors.New("the runs have none of these measures: probes need -probe-every in examples/stability, " +
			"landscapes -landscape-every and domains -domains")
	}
	return table.Write(stdout, o.format)
}

func (o options) chosen(all []runlog.Run) (runs []runlog.Run) {
	for _, r := range all {
		for pattern := range strings.SplitSeq(o.runs, ",") {
			if ok, _ := path.Match(strings.TrimSpace(pattern), r.Config.ID()); ok {
				runs = append(runs, r)
				break
			}
		}
	}
	return runs
}
