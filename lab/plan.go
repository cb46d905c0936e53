package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"gorgonorm/internal/host"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

// The names of the report and of its figure of losses by learning rate, in the directory of the
// runs.
const (
	ReportFile = "report.html"
	FigureFile = "rates.svg"
)

// Plan is a grid on a text, and which of its runs are not finished.
type Plan struct {
	options *Options
	text    *train.Corpus
	runs    []runlog.Config  // of the grid, one of those that compute the same
	same    []runlog.Planned // the others
	planned []runlog.Config  // of the shard
	pending []runlog.Config  // planned runs that are not finished
	redone  []runlog.Broken  // pending runs whose folders exist already
	from    map[string]int   // steps from which pending runs go on, by their IDs
	notes   []string         // on the initial weights
}

// NewPlan returns a plan for the options. It reads the text, and the sizes and vocabulary of
// the initial weights. In a task of a Slurm job array it sets the shard to the task's.
func NewPlan(o *Options) (*Plan, error) {
	if o == nil {
		return nil, errors.New("lab: the options are nil")
	}
	p := &Plan{options: o}
	var err error
	if o.Shard.N == 0 {
		if o.Shard, err = slurmShard(os.Getenv); err != nil {
			return nil, err
		}
	}
	if p.text, err = o.readText(); err != nil {
		return nil, err
	}
	if o.Init != "" {
		if p.text, p.notes, err = o.startFrom(p.text); err != nil {
			return nil, err
		}
	}
	p.runs = o.Grid.Configs()
	return p, nil
}

// check returns an error for a plan that is a zero value.
func (p *Plan) check() error {
	if p.options == nil {
		return errors.New("lab: the plan is a zero value, want one from NewPlan")
	}
	return nil
}

// readText reads the text of the options.
func (o *Options) readText() (*train.Corpus, error) {
	if len(o.Domains) > 0 {
		return train.ReadDomains(o.Domains)
	}
	path := o.Data
	if path == "" {
		var err error
		if path, err = train.DefaultText(); err != nil {
			return nil, err
		}
	}
	return train.ReadCorpus(path)
}

// Check returns an error for the first setting that a run of the grid cannot have.
func (p *Plan) Check() error {
	for _, c := range p.runs {
		if err := train.Check(c, p.text); err != nil {
			return err
		}
	}
	return nil
}

// Prepare loads the initial weights once, to find out what each kind of model takes from
// them. It makes the directory and reads which runs are finished there.
func (p *Plan) Prepare() error {
	if err := p.check(); err != nil {
		return err
	}
	if p.options.Init != "" {
		loaded, err := p.options.Grid.describeLoaded(p.runs, p.text)
		if err != nil {
			return err
		}
		p.notes = append(p.notes, loaded...)
	}
	known, _ := runlog.ReadPlan(p.options.Out) // a broken one is replaced
	p.runs, p.same = once(p.options.Grid.Configs(), known)
	p.planned = p.options.Shard.of(p.runs)
	if err := makeWritable(p.options.Out, p.planned); err != nil {
		return err
	}
	runlog.RemoveStale(p.options.Out)
	var err error
	l := p.lab()
	if p.pending, p.redone, err = l.Pending(p.planned); err != nil {
		return err
	}
	if p.from, err = l.Resumable(p.pending); err != nil {
		return err
	}
	pending := make(map[string]bool)
	for _, c := range p.pending {
		pending[c.ID()] = true
	}
	finished := slices.DeleteFunc(slices.Clone(p.planned), func(c runlog.Config) bool { return pending[c.ID()] })
	if err := l.removeSaved(finished...); err != nil || len(p.pending) > 0 {
		return err
	}
	return p.record()
}

// record adds the grid to the plan in the directory, if that lacks any of it or runs are pending.
func (p *Plan) record() error {
	grid := slices.Clone(p.same)
	for _, c := range p.runs {
		grid = append(grid, runlog.PlannedOf(c))
	}
	known, err := runlog.ReadPlan(p.options.Out)
	if err == nil && known != nil && len(p.pending) == 0 && known.Holds(grid) {
		return nil
	}
	return runlog.AddToPlan(p.options.Out, provenance(), grid)
}

// provenance describes this process.
func provenance() runlog.Provenance {
	return runlog.Provenance{
		Command: host.Command(os.Args), Date: time.Now().UTC().Truncate(time.Second), Revision: host.Revision(),
		Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Processor: host.Processor(),
		Threads: runtime.GOMAXPROCS(0),
	}
}

func (p *Plan) lab() *Lab {
	return &Lab{Text: p.text, Dir: p.options.Out, Checkpoints: p.options.Checkpoints}
}

// Remaining returns the number of runs that are not finished.
func (p *Plan) Remaining() int { return len(p.pending) }

// Estimate estimates the time of the remaining runs. If the options do not say how many
// run at a time, it measures which number is faster.
func (p *Plan) Estimate(ctx context.Context) (Estimate, error) {
	if err := p.check(); err != nil {
		return Estimate{}, err
	}
	return p.lab().Estimate(ctx, p.pending, p.options.Jobs)
}

// Run trains the remaining runs and shows their progress.
func (p *Plan) Run(ctx context.Context, e Estimate, line Line) error {
	if err := p.check(); err != nil {
		return err
	}
	if line == nil {
		return errors.New("lab: the line of progress is nil")
	}
	if err := p.record(); err != nil {
		return err
	}
	l, shown := p.lab(), newProgress(line, p.pending)
	l.Jobs, l.OnStep, l.OnDone = e.Jobs, shown.step, shown.done
	l.OnNote = func(s string) { fmt.Fprintln(line, s) }
	began := time.Now()
	if err := l.Run(ctx, p.pending); err != nil {
		return err
	}
	line.Clear()
	if ctx.Err() == nil {
		fmt.Fprintf(line, "took %s, estimated %s\n", duration(time.Since(began)), duration(e.Time))
	}
	return nil
}

// String describes the text, the grid, and the initial weights.
func (p *Plan) String() string {
	if err := p.check(); err != nil {
		return err.Error()
	}
	lines := []string{p.describeGrid()}
	switch {
	case len(p.planned) == 0:
		lines = append(lines, "there is nothing to do")
	case len(p.pending) == 0:
		lines = append(lines, "all runs are finished")
	default:
		for _, b := range p.redone {
			if p.from[b.Name] == 0 {
				lines = append(lines, fmt.Sprintf("%s is run again: %s", b.Name, b.Reason))
			}
		}
		lines = append(lines, p.notes...)
	}
	return strings.Join(lines, "\n")
}

// describeGrid describes the text and the grid.
func (p *Plan) describeGrid() string {
	g := p.options.Grid
	var axes []string
	axis := func(n int, name, values string) {
		if n > 1 {
			axes = append(axes, fmt.Sprintf("%d %s (%s)", n, name, values))
		}
	}
	axis(len(g.Norms), "norms", join(g.Norms, verbatim))
	axis(len(g.Placements), "placements", join(g.Placements, verbatim))
	axis(len(g.QKNorms), "settings of qk-norm", join(g.QKNorms, onOff))
	axis(len(g.NormNoises), "noises after norms", join(g.NormNoises, number))
	axis(len(g.Orders), "orders", join(g.Orders, orderName))
	axis(len(g.TextShares), "shares of the text", join(g.TextShares, shareName))
	axis(len(g.LRs), "learning rates", join(g.LRs, number))
	axis(g.Seeds, "seeds", fmt.Sprintf("%d to %d", g.Base.Seed, g.Base.Seed+uint64(g.Seeds-1)))
	s := fmt.Sprintf("%s: %d characters for training, %d for validation, a vocabulary of %d\n",
		p.text.Path, len(p.text.Train), len(p.text.Val), len(p.text.Vocabulary))
	s += fmt.Sprintf("%s of %s", count(len(p.runs)+len(p.same), "run"), count(g.Base.Steps, "step"))
	if len(axes) > 0 {
		s += ": " + strings.Join(axes, " × ")
	}
	if n := len(p.same); n > 0 {
		s += fmt.Sprintf("\nnot run: %d that would compute the same as others, because without a norm there is nothing "+
			"to place", n)
	}
	if p.options.Shard.N > 0 {
		s += fmt.Sprintf("\nshare %v: %s", &p.options.Shard, count(len(p.planned), "run"))
	}
	return s
}

// Forecast describes the remaining runs and the time that they will take.
func (p *Plan) Forecast(e Estimate) string {
	if err := p.check(); err != nil {
		return err.Error()
	}
	s := ""
	if done := len(p.planned) - len(p.pending); done > 0 {
		s = fmt.Sprintf("%d already finished, ", done)
	}
	s += fmt.Sprintf("%d to do, %d at a time", len(p.pending), e.Jobs)
	if p.options.Jobs == 0 && len(p.pending) > 1 {
		s += " (measured to be faster)"
	}
	s += ": about " + duration(e.Time)
	if p.options.Grid.Base.StopOnDivergence {
		s += ", less if runs end early"
	}
	return s
}

// makeWritable makes the output directory. It returns an error if the runs or the report
// cannot be written there.
func makeWritable(out string, planned []runlog.Config) error {
	for _, c := range planned {
		if info, err := os.Stat(filepath.Join(out, c.ID())); err == nil && !info.IsDir() {
			return fmt.Errorf("cannot write to -out: %s is a file, want the directory of a run", filepath.Join(out, c.ID()))
		}
	}
	for _, file := range []string{ReportFile, FigureFile} {
		path := filepath.Join(out, file)
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return fmt.Errorf("cannot write to -out: %s is a directory, want a file of the report", path)
		}
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
