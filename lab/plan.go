package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gorgonorm/runlog"
	"gorgonorm/train"
)

// Page is the name of the report in the directory of the runs.
const Page = "report.html"

// Plan is a grid on a text, and what is left to do of it.
type Plan struct {
	options *Options
	text    *train.Corpus
	runs    []runlog.Config // of the grid
	planned []runlog.Config // of the share of it, or all
	pending []runlog.Config
	again   []runlog.Broken // those pending whose directories exist already
	start   []string        // notes on the weights that the runs start from
}

// Open reads the text and the description of the weights to start from. In a task of a
// Slurm job array it sets the shard to the task's.
func Open(o *Options) (*Plan, error) {
	p := &Plan{options: o}
	var err error
	if o.Shard.N == 0 {
		if o.Shard, err = slurmShard(os.Getenv); err != nil {
			return nil, err
		}
	}
	path := o.Data
	if path == "" {
		if path, err = train.DefaultText(); err != nil {
			return nil, err
		}
	}
	if p.text, err = train.ReadCorpus(path); err != nil {
		return nil, err
	}
	if o.Init != "" {
		if p.text, p.start, err = o.startFrom(p.text); err != nil {
			return nil, err
		}
	}
	p.runs = o.Grid.Configs()
	return p, nil
}

// Check returns an error for the first setting that a run cannot have.
func (p *Plan) Check() error {
	for _, c := range p.runs {
		if err := train.Check(c, p.text); err != nil {
			return err
		}
	}
	return nil
}

// Prepare tries the weights to start from, makes the directory, and reads which runs are
// finished there.
func (p *Plan) Prepare() error {
	if p.options.Init != "" {
		taken, err := p.options.Grid.taken(p.runs, p.text)
		if err != nil {
			return err
		}
		p.start = append(p.start, taken...)
	}
	p.planned = p.options.Shard.of(p.runs)
	if err := writable(p.options.Out, p.planned); err != nil {
		return err
	}
	var err error
	p.pending, p.again, err = p.lab().Pending(p.planned)
	return err
}

func (p *Plan) lab() *Lab { return &Lab{Text: p.text, Dir: p.options.Out} }

// Pending returns the number of runs that are left to do.
func (p *Plan) Pending() int { return len(p.pending) }

// Estimate measures how long the pending runs will take, and how many to do at a time
// if the options do not say.
func (p *Plan) Estimate(ctx context.Context) (Estimate, error) {
	return p.lab().Estimate(ctx, p.pending, p.options.Jobs)
}

// Run does the pending runs and shows their progress.
func (p *Plan) Run(ctx context.Context, e Estimate, line Line) error {
	l, shown := p.lab(), newProgress(line, p.pending)
	l.Jobs, l.OnStep, l.OnDone = e.Jobs, shown.step, shown.done
	began := time.Now()
	if err := l.Run(ctx, p.pending); err != nil {
		return err
	}
	line.Clear()
	if ctx.Err() == nil {
		fmt.Fprintf(line, "took %s, estimated %s\n", short(time.Since(began)), short(e.Time))
	}
	return nil
}

// String describes the text, the grid, and what its runs start from.
func (p *Plan) String() string {
	lines := []string{p.what()}
	switch {
	case len(p.planned) == 0:
		lines = append(lines, "there is nothing to do")
	case len(p.pending) == 0:
		lines = append(lines, "all are finished already")
	default:
		for _, b := range p.again {
			lines = append(lines, fmt.Sprintf("%s is made again: %s", b.Name, b.Reason))
		}
		lines = append(lines, p.start...)
	}
	return strings.Join(lines, "\n")
}

// what describes the text and the grid.
func (p *Plan) what() string {
	g := p.options.Grid
	var axes []string
	axis := func(n int, name, values string) {
		if n > 1 {
			axes = append(axes, fmt.Sprintf("%d %s (%s)", n, name, values))
		}
	}
	axis(len(g.Norms), "norms", join(g.Norms, itself))
	axis(len(g.Placements), "placements", join(g.Placements, itself))
	axis(len(g.QKNorms), "times qk-norm", join(g.QKNorms, inWords))
	axis(len(g.LRs), "learning rates", join(g.LRs, numeral))
	axis(g.Seeds, "seeds", fmt.Sprintf("%d to %d", g.Base.Seed, g.Base.Seed+uint64(g.Seeds-1)))
	s := fmt.Sprintf("%s: %d characters to learn, %d to validate, a vocabulary of %d\n",
		p.text.Path, len(p.text.Train), len(p.text.Val), len(p.text.Vocabulary))
	s += fmt.Sprintf("%s of %s", count(len(p.runs), "run"), count(g.Base.Steps, "step"))
	if len(axes) > 0 {
		s += ": " + strings.Join(axes, " × ")
	}
	if p.options.Shard.N > 0 {
		s += fmt.Sprintf("\nshare %v: %s", &p.options.Shard, count(len(p.planned), "run"))
	}
	return s
}

// How describes the work that is left and how long it will take.
func (p *Plan) How(e Estimate) string {
	s := ""
	if done := len(p.planned) - len(p.pending); done > 0 {
		s = fmt.Sprintf("%d finished already, ", done)
	}
	s += fmt.Sprintf("%d to do, ", len(p.pending))
	switch {
	case e.Jobs > 1:
		s += fmt.Sprintf("%d side by side", e.Jobs)
	default:
		s += "one after the other"
	}
	if p.options.Jobs == 0 && len(p.pending) > 1 {
		s += " (measured as the faster way)"
	}
	s += ": about " + short(e.Time)
	if p.options.Grid.Base.StopOnDivergence {
		s += ", less if runs are given up"
	}
	return s
}

// writable makes the output directory and reports whether the runs and the report can
// be written there.
func writable(out string, planned []runlog.Config) error {
	for _, c := range planned {
		if info, err := os.Stat(filepath.Join(out, c.ID())); err == nil && !info.IsDir() {
			return fmt.Errorf("cannot write to -out: %s is a file, where a run's directory is to go", filepath.Join(out, c.ID()))
		}
	}
	if info, err := os.Stat(filepath.Join(out, Page)); err == nil && info.IsDir() {
		return fmt.Errorf("cannot write to -out: %s is a directory, where the report is to go", filepath.Join(out, Page))
	}
	if err := os.MkdirAll(out, 0o777); err != nil {
		return fmt.Errorf("cannot write to -out: %w", err)
	}
	f, err := os.CreateTemp(out, ".writable.*")
	if err != nil {
		return fmt.Errorf("cannot write to -out: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}
