// Stability trains the same tiny transformer on the same text with each norm, over a grid
// of learning rates, and reports which runs stay stable.
//
//	go run ./examples/stability
//
// For each run it writes a directory with the settings, the measurements of each step and
// of the network, the weights and a summary. The file report.html beside them shows all
// runs together.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/lab"
)

func main() { cli.Main(run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("stability", flag.ContinueOnError)
	o := lab.DefineFlags(f)
	reportOnly := f.Bool("report-only", false, "report on all runs in -out without training")
	asJSON := f.Bool("json", false, "print the results as JSON instead of a table")
	quiet := f.Bool("q", false, "print no plan and no progress, only results and errors")
	err := cli.Parse(f, args, usage, stdout)
	if err == nil {
		err = cli.Usage(o.Check())
	}
	progress := stderr
	if *quiet {
		progress = io.Discard
	}
	switch {
	case err != nil:
	case *reportOnly && o.Shard.N > 0:
		err = cli.Usage(errors.New("-report-only reports on all runs in -out, not on a -shard"))
	case *reportOnly:
		err = summarize(o.Out, stdout, *asJSON)
	default:
		err = trainAndReport(ctx, o, stdout, progress, *asJSON)
	}
	stopped := "stopped; finished runs are in " + o.Out + ", and the same command resumes there"
	return cli.Status("stability", err, stopped, stderr)
}

// trainAndReport trains the runs that are not finished and, unless they are a share of the
// grid, reports on all runs. It checks the whole command line before it writes anything.
func trainAndReport(ctx context.Context, o *lab.Options, stdout, progress io.Writer, asJSON bool) error {
	plan, err := lab.NewPlan(o)
	if err != nil {
		return err
	}
	if err := cli.Usage(plan.Check()); err != nil {
		return err
	}
	if err := plan.Prepare(); err != nil {
		return err
	}
	fmt.Fprintln(progress, plan)
	if plan.Remaining() > 0 {
		fmt.Fprintln(progress, "timing a few steps of each kind of model …")
		estimate, err := plan.Estimate(ctx)
		if err == nil {
			fmt.Fprintln(progress, plan.Forecast(estimate))
			err = plan.Run(ctx, estimate, cli.NewLine(progress))
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	switch {
	case o.Shard.N == 0:
		if err := summarize(o.Out, stdout, asJSON); err != nil && (ctx.Err() == nil || !errors.Is(err, errNoRuns)) {
			return err
		}
	case ctx.Err() == nil:
		fmt.Fprintf(progress, "share %v is done; for a report on all runs: -report-only -out %s\n", &o.Shard, o.Out)
	}
	return ctx.Err()
}
