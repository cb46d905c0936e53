package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/models/transformer"
	"gorgonorm/train"
)

// options are the command line.
type options struct {
	grid       train.Grid
	data       string
	init       string
	given      map[string]bool // flags that are on the command line
	out        string
	jobs       int
	shard      shard
	reportOnly bool
}

const usage = `Usage: go run ./examples/stability [flags]

Trains the same character-level transformer under each norm at each learning rate,
with the same seeds, initial weights and batches, and measures how stable the runs
stay. Every flag that takes a list is an axis of a grid; a run is made for each
combination:

  go run ./examples/stability                              four norms, seven rates
  go run ./examples/stability -lr 1e-3                     four runs, in a minute
  go run ./examples/stability -norms layer,rms -seeds 3    is there a difference?
  go run ./examples/stability -placement pre,post,peri -qknorm off,on

The plan comes first, with an estimate of its time; progress goes to standard
error, the result to standard output and, as report.html, into -out beside what
each run measured. A run that is finished is not run again: the same command goes
on where it was stopped, and one with more values adds to what is there. One whose
files are damaged is made again, and left out of a report, with the reason. Ctrl-C
ends the runs at hand and reports what there is.

With -init the runs start from weights that were trained before, this program's own
or a nanoGPT checkpoint's, and go on with them on -data:

  go run ./examples/stability -init runs/layer-pre-lr0.003-seed1 -out tuned -lr 1e-4,3e-4,1e-3

Under each norm a model takes from the file what has its names and shapes, and starts
for the rest as it would without; what that is is said before the runs begin. The
characters keep the ids that they have in the checkpoint's vocabulary, and the models
its size.

Many machines share a grid through -shard, or as a Slurm job array:

  sbatch examples/stability/slurm.sbatch -out DIR
  go run ./examples/stability -report-only -out DIR

Flags:
`

func parse(args []string, help io.Writer) (o options, err error) {
	o.grid = train.Grid{
		Base:       train.Defaults(),
		Norms:      []string{"none", "batch", "layer", "rms"},
		Placements: []transformer.Placement{transformer.Pre},
		QKNorms:    []bool{false},
		LRs:        []float64{3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1},
	}
	c := &o.grid.Base
	f := flag.NewFlagSet("stability", flag.ContinueOnError)
	list(f, &o.grid.Norms, "norms", "the `norms` to train under, of none, batch, layer, rms, dyt and derf", norm, itself)
	list(f, &o.grid.Placements, "placement", "`where` a block's norms stand: pre (before each sublayer), post (after the residual sum), peri (before and after each sublayer)", placement, itself)
	list(f, &o.grid.QKNorms, "qknorm", "`off,on`, whether queries and keys are normalized inside attention", onOff, inWords)
	list(f, &o.grid.LRs, "lr", "learning `rates` after warm-up; a cosine takes each down to a tenth", number, numeral)
	f.IntVar(&o.grid.Seeds, "seeds", 1, "`how many` seeds, from -seed on; two kinds of run that do not differ come apart by chance in a third of cases with 2 seeds, a tenth with 3, 3 % with 4")
	f.Uint64Var(&c.Seed, "seed", c.Seed, "the first seed of the weights and the batches")
	f.StringVar(&o.data, "data", "", "the `file` of text to learn; by default Newton's Opticks, which comes with Go")
	f.StringVar(&o.init, "init", "", "the `checkpoint` to start from: a directory with model.safetensors, as this program leaves for each run, or such a file, with config.json or meta.json beside it for the vocabulary; -layers, -heads, -channels and -context then are its own if not given, and a smaller -context takes the first of its positions")
	f.StringVar(&o.out, "out", "runs", "the `directory` to write to, one for each grid")
	f.IntVar(&c.Steps, "steps", c.Steps, "training steps of each run")
	f.IntVar(&c.Batch, "batch", c.Batch, "sequences in a batch")
	f.IntVar(&c.Context, "context", c.Context, "characters in a sequence")
	f.IntVar(&c.Layers, "layers", c.Layers, "transformer blocks")
	f.IntVar(&c.Heads, "heads", c.Heads, "attention heads; they divide the channels")
	f.IntVar(&c.Channels, "channels", c.Channels, "features of each token")
	f.IntVar(&c.Warmup, "warmup", c.Warmup, "`steps` in which the learning rate rises; a third of all if those are few and this is not given")
	f.Float64Var(&c.Clip, "clip", c.Clip, "the largest gradient `norm` of an update, to which larger ones are scaled down; 0 for no clipping")
	f.IntVar(&c.EvalEvery, "eval-every", c.EvalEvery, "steps from one validation to the next")
	f.IntVar(&c.ProbeEvery, "probe-every", c.ProbeEvery, "steps from one look into the network to the next; 0 for none")
	f.BoolVar(&c.StopOnDivergence, "stop-on-divergence", false, "end a run at the first loss or gradient that is not finite, or once two validations after warm-up found it no better than its start (with -init, than guessing); otherwise it goes on to its last step")
	f.IntVar(&o.jobs, "jobs", 0, "`runs` side by side; 0 measures whether one after the other, on all threads, is faster")
	f.Var(&o.shard, "shard", "do the `i/n`-th share of the runs, as 2/8, and no report; a task of a Slurm job array takes its share by itself")
	f.BoolVar(&o.reportOnly, "report-only", false, "train nothing, report on all runs in -out")
	if err := cli.Parse(f, args, usage, help); err != nil {
		return o, err
	}
	o.given = make(map[string]bool)
	f.Visit(func(f *flag.Flag) { o.given[f.Name] = true })
	if !o.given["warmup"] {
		c.Warmup = min(c.Warmup, c.Steps/3)
	}
	return o, o.check()
}

// maxRuns is far above what anyone waits for; beyond it a number is a slip.
const maxRuns = 100_000

// check refuses what no flag can refuse by itself.
func (o *options) check() error {
	switch {
	case o.given["init"] && o.init == "":
		return cli.Usage(errors.New("-init is empty, want a checkpoint"))
	case o.out == "":
		return cli.Usage(errors.New("-out is empty, want a directory"))
	case o.grid.Seeds < 1:
		return cli.Usage(fmt.Errorf("-seeds is %d, want 1 or more", o.grid.Seeds))
	case o.grid.Seeds > maxRuns/(len(o.grid.Norms)*len(o.grid.Placements)*len(o.grid.QKNorms)*len(o.grid.LRs)):
		return cli.Usage(fmt.Errorf("-seeds is %d, which makes more than %d runs", o.grid.Seeds, maxRuns))
	case o.grid.Base.Seed > math.MaxUint64-uint64(o.grid.Seeds-1):
		return cli.Usage(fmt.Errorf("-seed is %d, too large for %d more", o.grid.Base.Seed, o.grid.Seeds-1))
	case o.reportOnly && o.shard.n > 0:
		return cli.Usage(errors.New("-report-only reports on all runs in -out, not on a -shard"))
	case o.jobs < 0:
		return cli.Usage(fmt.Errorf("-jobs is %d, want 0 or more", o.jobs))
	}
	return nil
}

// list is a flag whose values stand between commas, each at most once.
func list[T comparable](f *flag.FlagSet, into *[]T, name, help string, parse func(string) (T, error), format func(T) string) {
	f.Func(name, help+" (default "+join(*into, format)+")", func(s string) error {
		*into = nil
		for item := range strings.SplitSeq(s, ",") {
			v, err := parse(strings.TrimSpace(item))
			if err != nil {
				return err
			}
			if slices.Contains(*into, v) {
				return fmt.Errorf("%s is given twice", format(v))
			}
			*into = append(*into, v)
		}
		return nil
	})
}

func itself[S ~string](s S) string { return string(s) }

func norm(s string) (string, error) {
	_, err := transformer.NormByName(s)
	return s, err
}

func placement(s string) (transformer.Placement, error) {
	p := transformer.Placement(s)
	if !slices.Contains(transformer.Placements, p) {
		return p, fmt.Errorf("unknown placement %q, want one of %q", s, transformer.Placements)
	}
	return p, nil
}

func onOff(s string) (bool, error) {
	if s != "on" && s != "off" {
		return false, fmt.Errorf("%q is neither on nor off", s)
	}
	return s == "on", nil
}

func inWords(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func number(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no number", s)
	}
	return v, nil
}

func numeral(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
