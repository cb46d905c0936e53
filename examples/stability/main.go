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
	"gorgonorm/live"
)

func main() { cli.Main(run) }

// options are the values of the flags, and where the output goes.
type options struct {
	*lab.Options
	reportOnly, json, quiet bool
	serve                   string

	stdout, progress io.Writer
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("stability", flag.ContinueOnError)
	o := options{Options: lab.DefineFlags(f), stdout: stdout, progress: stderr}
	f.BoolVar(&o.reportOnly, "report-only", false, "report on all runs in -out without training")
	f.BoolVar(&o.json, "json", false, "print the results as JSON instead of a table")
	f.BoolVar(&o.quiet, "q", false, "print no plan and no progress, only results and errors")
	f.StringVar(&o.serve, "serve", "",
		"show the page in browsers on this machine while the runs are trained, at this `address`: :8080, or :0 for a "+
			"free port")
	err := cli.Parse(f, args, usage, stdout)
	if err == nil {
		err = cli.Usage(o.check())
	}
	if o.quiet {
		o.progress = io.Discard
	}
	switch {
	case err != nil:
	case o.reportOnly:
		err = o.summarize()
	default:
		err = o.trainAndReport(ctx)
	}
	stopped := "stopped; finished runs are in " + o.Out + ", and the same command resumes there"
	return cli.Status("stability", err, stopped, stderr)
}

func (o options) check() error {
	switch {
	case o.reportOnly && o.Shard.N > 0:
		return errors.New("-report-only reports on all runs in -out, not on a -shard")
	case o.reportOnly && o.serve != "":
		return errors.New("-serve shows the page while runs are trained, and -report-only trains none")
	}
	return o.Check()
}

// trainAndReport trains the runs that are not finished and, unless they are a share of the
// grid, reports on all runs. It checks the whole command line before it writes anything.
func (o options) trainAndReport(ctx context.Context) error {
	plan, err := lab.NewPlan(o.Options)
	if err != nil {
		return err
	}
	if err := cli.Usage(plan.Check()); err != nil {
		return err
	}
	if err := plan.Prepare(); err != nil {
		return err
	}
	fmt.Fprintln(o.progress, plan)
	if plan.Remaining() > 0 {
		if err := o.train(ctx, plan); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	switch {
	case o.Shard.N == 0:
		if err := o.summarize(); err != nil && (ctx.Err() == nil || !errors.Is(err, errNoRuns)) {
			return err
		}
	case ctx.Err() == nil:
		fmt.Fprintf(o.progress, "share %v is done; for a report on all runs: -report-only -out %s\n", &o.Shard, o.Out)
	}
	return ctx.Err()
}

// train trains the runs, and shows them in browsers if that is wanted.
func (o options) train(ctx context.Context, plan *lab.Plan) (err error) {
	var line lab.Line = cli.NewLine(o.progress)
	if o.serve != "" {
		server, failed := live.Listen(o.serve, o.Out, o.page)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, server.Close()) }()
		fmt.Fprintf(o.progress, "page: %s\n", server.URL())
		line = server.Watch(line)
	}
	fmt.Fprintln(o.progress, "timing a few steps of each kind of model …")
	estimate, err := plan.Estimate(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(o.progress, plan.Forecast(estimate))
	return plan.Run(ctx, estimate, line)
}
