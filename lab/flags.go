package lab

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gorgonorm/models/transformer"
	"gorgonorm/train"
)

// Options say which runs to do, on what, and where.
type Options struct {
	Grid  Grid
	Data  string // the file of text; "" for the one that comes with Go
	Init  string // the checkpoint to start from; "" for random weights
	Out   string // the directory that the runs are written to
	Jobs  int    // runs side by side; 0 to measure what is faster
	Shard Shard

	flags *flag.FlagSet
	given map[string]bool // flags that are on the command line
}

// Flags adds the options to a program's flags. Check follows once those are parsed.
func Flags(f *flag.FlagSet) *Options {
	o := &Options{
		Grid: Grid{
			Base:       train.Defaults(),
			Norms:      []string{"none", "batch", "layer", "rms"},
			Placements: []transformer.Placement{transformer.Pre},
			QKNorms:    []bool{false},
			LRs:        []float64{3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1},
		},
		flags: f,
	}
	c := &o.Grid.Base
	list(f, &o.Grid.Norms, "norms", "the `norms` to train under, of "+inSentence(transformer.NormNames()), norm, itself)
	list(f, &o.Grid.Placements, "placement",
		"`where` a block's norms stand: pre (before each sublayer), post (after the residual sum), "+
			"peri (before and after each sublayer)", placement, itself)
	list(f, &o.Grid.QKNorms, "qknorm",
		"`off,on`, whether queries and keys are normalized inside attention", onOff, inWords)
	list(f, &o.Grid.LRs, "lr", "learning `rates` after warm-up; a cosine takes each down to a tenth", number, numeral)
	f.IntVar(&o.Grid.Seeds, "seeds", 1,
		"`how many` seeds, from -seed on; two kinds of run that do not differ come apart by chance in "+
			"a third of cases with 2 seeds, a tenth with 3, 3 % with 4")
	f.Uint64Var(&c.Seed, "seed", c.Seed, "the first seed of the weights and the batches")
	f.StringVar(&o.Data, "data", "", "the `file` of text to learn; by default Newton's Opticks, which comes with Go")
	f.StringVar(&o.Init, "init", "",
		"the `checkpoint` to start from: a directory with model.safetensors, as this program leaves for each run, "+
			"or such a file, with config.json or meta.json beside it for the vocabulary; -layers, -heads, -channels "+
			"and -context then are its own if not given, and a smaller -context takes the first of its positions")
	f.StringVar(&o.Out, "out", "runs", "the `directory` to write to, one for each grid")
	f.IntVar(&c.Steps, "steps", c.Steps, "training steps of each run")
	f.IntVar(&c.Batch, "batch", c.Batch, "sequences in a batch")
	f.IntVar(&c.Context, "context", c.Context, "characters in a sequence")
	f.IntVar(&c.Layers, "layers", c.Layers, "transformer blocks")
	f.IntVar(&c.Heads, "heads", c.Heads, "attention heads; they divide the channels")
	f.IntVar(&c.Channels, "channels", c.Channels, "features of each token")
	f.IntVar(&c.Warmup, "warmup", c.Warmup,
		"`steps` in which the learning rate rises; a third of all if those are few and this is not given")
	f.Float64Var(&c.Clip, "clip", c.Clip,
		"the largest gradient `norm` of an update, to which larger ones are scaled down; 0 for no clipping")
	f.IntVar(&c.EvalEvery, "eval-every", c.EvalEvery, "steps from one validation to the next")
	f.IntVar(&c.ProbeEvery, "probe-every", c.ProbeEvery, "steps from one look into the network to the next; 0 for none")
	f.BoolVar(&c.StopOnDivergence, "stop-on-divergence", false,
		"end a run at the first loss or gradient that is not finite, or once two validations after warm-up found it "+
			"no better than its start (with -init, than guessing); otherwise it goes on to its last step")
	f.IntVar(&o.Jobs, "jobs", 0, "`runs` side by side; 0 measures whether one after the other, on all threads, is faster")
	f.Var(&o.Shard, "shard",
		"do the `i/n`-th share of the runs, as 2/8, and no report; "+
			"a task of a Slurm job array takes its share by itself")
	return o
}

// maxRuns is far above what anyone waits for; beyond it a number is a slip.
const maxRuns = 100_000

// Check completes the options by what follows from the flags that are given, and
// refuses what no flag can refuse by itself.
func (o *Options) Check() error {
	o.given = make(map[string]bool)
	o.flags.Visit(func(f *flag.Flag) { o.given[f.Name] = true })
	g := &o.Grid
	if !o.given["warmup"] {
		g.Base.Warmup = min(g.Base.Warmup, g.Base.Steps/3)
	}
	switch {
	case o.given["init"] && o.Init == "":
		return errors.New("-init is empty, want a checkpoint")
	case o.Out == "":
		return errors.New("-out is empty, want a directory")
	case g.Seeds < 1:
		return fmt.Errorf("-seeds is %d, want 1 or more", g.Seeds)
	case g.Seeds > maxRuns/(len(g.Norms)*len(g.Placements)*len(g.QKNorms)*len(g.LRs)):
		return fmt.Errorf("-seeds is %d, which makes more than %d runs", g.Seeds, maxRuns)
	case g.Base.Seed > math.MaxUint64-uint64(g.Seeds-1):
		return fmt.Errorf("-seed is %d, too large for %d more", g.Base.Seed, g.Seeds-1)
	case o.Jobs < 0:
		return fmt.Errorf("-jobs is %d, want 0 or more", o.Jobs)
	}
	return nil
}

// list is a flag whose values stand between commas, each at most once.
func list[T comparable](
	f *flag.FlagSet, into *[]T, name, help string, parse func(string) (T, error), format func(T) string,
) {
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

// inSentence lists words: "a, b and c".
func inSentence(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

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
