// Stability trains the same tiny transformer on the same text under each norm,
// over a grid of learning rates, and says which stayed stable.
//
//	go run ./examples/stability
//
// For every run it writes a directory with the run's settings, what was measured
// at each step and inside the network, the weights and a summary; beside them
// report.html shows all runs together.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/report"
	"gorgonorm/train"
)

func main() { cli.Main(run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout)
	switch {
	case err != nil:
	case o.reportOnly:
		err = o.report(stdout)
	default:
		err = o.train(ctx, stdout, stderr)
	}
	return cli.Status("stability", err, "stopped; what was finished is in "+o.out+", and the same command goes on from there", stderr)
}

// page is the report's name in the output directory.
const page = "report.html"

// train does the runs that are not finished and, unless they are a share of
// others', reports on all. All that can be wrong with the command line is found
// before anything is written.
func (o options) train(ctx context.Context, stdout, stderr io.Writer) error {
	if o.shard.n == 0 {
		var err error
		if o.shard, err = slurmShard(os.Getenv); err != nil {
			return err
		}
	}
	text, err := o.text()
	if err != nil {
		return err
	}
	var told []string // of what the runs start from
	if o.init != "" {
		if text, told, err = o.startFrom(text); err != nil {
			return err
		}
	}
	lab := &train.Lab{Text: text, Dir: o.out}
	planned := o.grid.Configs()
	total := len(planned)
	for _, c := range planned {
		if err := train.Check(c, text); err != nil {
			return cli.Usage(err)
		}
	}
	if o.init != "" {
		taken, err := o.taken(planned, text)
		if err != nil {
			return err
		}
		told = append(told, taken...)
	}
	if o.shard.n > 0 {
		planned = train.Shard(planned, o.shard.i, o.shard.n)
	}
	if err := o.writable(planned); err != nil {
		return err
	}
	pending, again, err := lab.Pending(planned)
	if err != nil {
		return err
	}
	if err := o.work(ctx, lab, plan{o.grid, o.shard, total, len(planned), pending, again, told}, stderr); err != nil {
		return err
	}
	switch {
	case o.shard.n == 0:
		if err := o.report(stdout); err != nil && (ctx.Err() == nil || !errors.Is(err, errNoRuns)) {
			return err
		}
	case ctx.Err() == nil:
		fmt.Fprintf(stderr, "share %v is done; -report-only reports on all runs in %s\n", &o.shard, o.out)
	}
	return ctx.Err()
}

// text reads what is to be learned.
func (o options) text() (*train.Corpus, error) {
	path := o.data
	if path == "" {
		var err error
		if path, err = train.DefaultText(); err != nil {
			return nil, err
		}
	}
	return train.ReadCorpus(path)
}

// work tells the plan and does it.
func (o options) work(ctx context.Context, lab *train.Lab, p plan, stderr io.Writer) error {
	fmt.Fprintln(stderr, p.what(lab.Text))
	switch {
	case p.planned == 0:
		fmt.Fprintln(stderr, "there is nothing to do")
		return nil
	case len(p.pending) == 0:
		fmt.Fprintln(stderr, "all are finished already")
		return nil
	}
	for _, b := range p.again {
		fmt.Fprintf(stderr, "%s is made again: %s\n", b.Name, b.Reason)
	}
	for _, s := range p.start {
		fmt.Fprintln(stderr, s)
	}
	fmt.Fprintln(stderr, "a few steps of each kind of model, to see how long they take …")
	estimate, err := lab.Estimate(ctx, p.pending, o.jobs)
	switch {
	case errors.Is(err, context.Canceled): // which the caller sees by the context
		return nil
	case err != nil:
		return err
	}
	fmt.Fprintln(stderr, p.how(estimate, o.jobs))
	lab.Jobs = estimate.Jobs
	progress := newProgress(stderr, p.pending)
	lab.OnStep, lab.OnDone = progress.step, progress.done
	began := time.Now()
	if err := lab.Run(ctx, p.pending); err != nil {
		return err
	}
	progress.Clear()
	if ctx.Err() == nil {
		fmt.Fprintf(stderr, "took %s, estimated %s\n", short(time.Since(began)), short(estimate.Time))
	}
	return nil
}

var errNoRuns = errors.New("there are no runs")

// report reads the runs back from their files and shows them, and says which cannot be
// read and why.
func (o options) report(stdout io.Writer) error {
	runs, broken, err := train.ReadRuns(o.out)
	if err != nil {
		return err
	}
	if len(runs) == 0 {
		err := fmt.Errorf("%w in %s to report on", errNoRuns, o.out)
		for _, b := range broken {
			err = fmt.Errorf("%w\n%s cannot be used: %s", err, b.Name, b.Reason)
		}
		return err
	}
	if err := report.Table(stdout, runs, broken...); err != nil {
		return err
	}
	fmt.Fprintln(stdout)
	if err := report.Speed(stdout, runs); err != nil {
		return err
	}
	path := filepath.Join(o.out, page)
	err = train.WriteFile(path, func(w io.Writer) error { return report.HTML(w, runs, broken...) })
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Curves: %s\n", path)
	return nil
}

// writable makes the output directory, tries to write into it, and looks whether
// anything stands where the runs and the report are to go.
func (o options) writable(planned []train.Config) error {
	for _, c := range planned {
		if info, err := os.Stat(filepath.Join(o.out, c.ID())); err == nil && !info.IsDir() {
			return fmt.Errorf("cannot write to -out: %s is a file, where a run's directory is to go", filepath.Join(o.out, c.ID()))
		}
	}
	if info, err := os.Stat(filepath.Join(o.out, page)); err == nil && info.IsDir() {
		return fmt.Errorf("cannot write to -out: %s is a directory, where the report is to go", filepath.Join(o.out, page))
	}
	if err := os.MkdirAll(o.out, 0o777); err != nil {
		return fmt.Errorf("cannot write to -out: %w", err)
	}
	f, err := os.CreateTemp(o.out, ".writable.*")
	if err != nil {
		return fmt.Errorf("cannot write to -out: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
