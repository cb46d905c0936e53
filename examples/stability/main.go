// Stability trains the same tiny transformer on the same text under each norm
// and says which stayed stable.
//
//	go run ./examples/stability
//
// For every norm it writes a directory with the run's settings, what was measured
// at each step, the weights and a summary; beside them report.html shows all runs
// together.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/models/transformer"
	"gorgonorm/report"
	"gorgonorm/train"
)

func main() { cli.Main(run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stdout)
	if err == nil {
		err = o.train(ctx, stdout, stderr)
	}
	return cli.Status("stability", err, "stopped; what was finished is in "+o.out, stderr)
}

// page is the report's name in the output directory.
const page = "report.html"

// options are the command line.
type options struct {
	config train.Config // of every run, but for its norm
	norms  []string
	out    string
}

const usage = `Usage: go run ./examples/stability [flags]

Trains the same character-level transformer under each norm, with the same seed,
initial weights and batches, and compares how stable the runs stay. Progress goes
to standard error, the result to standard output, and everything measured to -out.
Ctrl-C ends the run at hand and reports what there is.

Flags:
`

func parse(args []string, help io.Writer) (o options, err error) {
	o.config = train.Defaults()
	c := &o.config
	f := flag.NewFlagSet("stability", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	norms := f.String("norms", "none,batch,layer,rms", "the `norms` to train under, with commas between")
	f.StringVar(&c.Data, "data", "", "the `file` of text to learn; by default Newton's Opticks, which comes with Go")
	f.StringVar(&o.out, "out", "runs", "the `directory` to write to; runs of the same norm in it are replaced")
	f.IntVar(&c.Steps, "steps", c.Steps, "training steps of each run")
	f.IntVar(&c.Batch, "batch", c.Batch, "sequences in a batch")
	f.IntVar(&c.Context, "context", c.Context, "characters in a sequence")
	f.IntVar(&c.Layers, "layers", c.Layers, "transformer blocks")
	f.IntVar(&c.Heads, "heads", c.Heads, "attention heads; they divide the channels")
	f.IntVar(&c.Channels, "channels", c.Channels, "features of each token")
	f.Float64Var(&c.LR, "lr", c.LR, "learning rate after warm-up; a cosine takes it down to a tenth")
	f.IntVar(&c.Warmup, "warmup", c.Warmup, "`steps` in which the learning rate rises; a third of all if those are few and this is not given")
	f.Uint64Var(&c.Seed, "seed", c.Seed, "seed of the weights and the batches")
	f.IntVar(&c.EvalEvery, "eval-every", c.EvalEvery, "steps from one validation to the next")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(help, usage)
			f.SetOutput(help)
			f.PrintDefaults()
			return o, err
		}
		return o, cli.Usage(err)
	}
	if f.NArg() > 0 {
		return o, cli.Usage(fmt.Errorf("unexpected argument %q", f.Arg(0)))
	}
	if o.out == "" {
		return o, cli.Usage(errors.New("-out is empty, want a directory"))
	}
	c.MinLR = c.LR / 10
	given := make(map[string]bool)
	f.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if !given["warmup"] {
		c.Warmup = min(c.Warmup, c.Steps/3)
	}
	for name := range strings.SplitSeq(*norms, ",") {
		name = strings.TrimSpace(name)
		if _, err := transformer.NormByName(name); err != nil {
			return o, cli.Usage(err)
		}
		if slices.Contains(o.norms, name) {
			return o, cli.Usage(fmt.Errorf("the norm %q is given twice", name))
		}
		o.norms = append(o.norms, name)
	}
	return o, nil
}

// train runs every norm in turn and reports on them. All that can be wrong with
// the command line is found before anything is written.
func (o options) train(ctx context.Context, stdout, stderr io.Writer) error {
	path := o.config.Data
	if path == "" {
		var err error
		if path, err = train.DefaultText(); err != nil {
			return err
		}
	}
	text, err := train.ReadCorpus(path)
	if err != nil {
		return err
	}
	for _, norm := range o.norms {
		c := o.config
		c.Norm = norm
		if err := train.Check(c, text); err != nil {
			return cli.Usage(err)
		}
	}
	if err := o.writable(); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "%s: %d characters to learn, %d to validate, %d different\n", path, len(text.Train), len(text.Val), len(text.Vocabulary))

	dirs, err := o.runs(ctx, text, stderr)
	if len(dirs) > 0 {
		err = errors.Join(err, o.report(dirs, stdout))
	}
	return err
}

// runs trains under one norm after the other and returns the directories of the
// runs that are written, also where it returns an error or the context's.
func (o options) runs(ctx context.Context, text *train.Corpus, stderr io.Writer) (dirs []string, err error) {
	for _, norm := range o.norms {
		if ctx.Err() != nil {
			break
		}
		c := o.config
		c.Norm = norm
		p := newProgress(stderr, c)
		model, r, err := train.Train(ctx, c, text, p.step)
		if err != nil {
			return dirs, err
		}
		p.done(r.Summary)
		if r.Summary.Steps == 0 {
			break
		}
		dir := filepath.Join(o.out, norm)
		if err := train.WriteRun(dir, r, model); err != nil {
			return dirs, err
		}
		dirs = append(dirs, dir)
	}
	return dirs, ctx.Err()
}

// report reads the runs back from their files and shows them.
func (o options) report(dirs []string, stdout io.Writer) error {
	var runs []train.Run
	for _, dir := range dirs {
		r, err := train.ReadRun(dir)
		if err != nil {
			return err
		}
		runs = append(runs, r)
	}
	path := filepath.Join(o.out, page)
	err := train.WriteFile(path, func(w io.Writer) error { return report.HTML(w, runs) })
	if err != nil {
		return err
	}
	if err := report.Table(stdout, runs); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\nCurves: %s\n", path)
	return nil
}

// writable makes the output directory, tries to write into it, and looks whether
// anything stands where the runs and the report are to go.
func (o options) writable() error {
	for _, norm := range o.norms {
		if info, err := os.Stat(filepath.Join(o.out, norm)); err == nil && !info.IsDir() {
			return fmt.Errorf("cannot write to -out: %s is a file, where a run's directory is to go", filepath.Join(o.out, norm))
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
