package lab

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorgonorm/models/transformer"
	"gorgonorm/train"
)

// Options are the runs to train, their text, and their directory.
type Options struct {
	Grid  Grid
	Data  string // file of text; "" for the text that comes with Go
	Init  string // checkpoint to start from; "" for random weights
	Out   string // directory of the runs
	Jobs  int    // runs at a time; 0 for the faster number
	Shard Shard

	Checkpoints *train.Interval // between those of a run; nil for none

	Domains []string // a text of several domains, instead of Data, as train.ReadDomains takes them

	flags *flag.FlagSet
	given map[string]bool // flags on the command line
}

// DefineFlags defines a flag for each option and returns the options. Call their Check
// after the flags are parsed.
func DefineFlags(f *flag.FlagSet) *Options {
	o := &Options{
		Grid: Grid{
			Base:       train.Defaults(),
			Norms:      []string{"none", "batch", "layer", "rms"},
			Placements: []transformer.Placement{transformer.Pre},
			QKNorms:    []bool{false},
			NormNoises: []float64{0},
			Orders:     []string{""},
			TextShares: []float64{0},
			LRs:        []float64{3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1},
		},
		Checkpoints: &train.Interval{Time: train.DefaultInterval},
		flags:       f,
	}
	c := &o.Grid.Base
	list(f, &o.Grid.Norms, "norms", "`norms` to compare, of "+and(transformer.NormNames()), parseText, verbatim)
	list(f, &o.Grid.Placements, "placement",
		"`positions` of a block's norms: pre (before each sublayer), post (after the residual sum), "+
			"peri (before and after each sublayer), scaled (pre, with the norms of block l divided by the root of l), "+
			"open (pre, without the norm before the head)", parseText, verbatim)
	list(f, &o.Grid.QKNorms, "qknorm",
		"normalization of queries and keys inside attention: off, on, or `off,on` to compare both", parseOnOff, onOff)
	list(f, &o.Grid.NormNoises, "norm-noise",
		"`noise` in training: after each norm a fresh random scale 1+s·n and shift s·n of each feature at each "+
			"step, n standard normal, which undoes the stability of distributions that norms bring; several to "+
			"compare, 0 for none", parseNumber, number)
	list(f, &o.Grid.LRs, "lr", "learning `rates` after warm-up; each falls to a tenth on a cosine", parseNumber, number)
	list(f, &o.Grid.Orders, "order",
		"`orders` in which a run sees its training windows, which are the same in all orders: random, blocks (one domain "+
			"after the other), one-domain (each batch from one domain), easy-first or hard-first (by compressed size, "+
			"from all domains at any time)", parseOrder, orderName)
	list(f, &o.Grid.TextShares, "text-share",
		"`shares` of the training text, or of that of each domain, from its start: 0.05,1 compares little text with all",
		parseShare, shareName)
	f.IntVar(&o.Grid.Seeds, "seeds", 1,
		"`number` of seeds, from -seed on; two equally good kinds of run look different by chance in "+
			"a third of cases with 2 seeds, in a tenth with 3, in 3 % with 4")
	f.Uint64Var(&c.Seed, "seed", c.Seed, "first seed of the weights and the batches")
	f.StringVar(&o.Data, "data", "", "`file` of text to learn (default Newton's Opticks, which comes with Go)")
	list(f, &o.Domains, "domains",
		"`names` of domains, which make a text of several kinds instead of -data, with a validation loss for each: "+
			"of "+and(train.DomainNames)+", which come with Go, or name=file", parseText, verbatim)
	f.StringVar(&o.Init, "init", "",
		"`checkpoint` to start from: the directory of a run, or weights in safetensors with config.json or "+
			"meta.json beside them for the vocabulary; its sizes are the defaults of -layers, -heads, -channels "+
			"and -context, and a smaller -context loads its first positions")
	f.StringVar(&o.Out, "out", "runs", "output `directory`, one for each grid")
	f.IntVar(&c.Steps, "steps", c.Steps, "training steps of each run")
	f.IntVar(&c.Batch, "batch", c.Batch, "sequences in a batch")
	f.IntVar(&c.Context, "context", c.Context, "characters in a sequence")
	f.IntVar(&c.Layers, "layers", c.Layers, "transformer blocks")
	f.IntVar(&c.Heads, "heads", c.Heads, "attention heads, a divisor of -channels")
	f.IntVar(&c.Channels, "channels", c.Channels, "features of each token")
	f.IntVar(&c.Warmup, "warmup", c.Warmup,
		"`steps` in which the learning rate rises; if not given, at most a third of -steps")
	f.Float64Var(&c.Clip, "clip", c.Clip,
		"largest gradient `norm` of an update; larger gradients are scaled down to it; 0 for no clipping")
	f.IntVar(&c.EvalEvery, "eval-every", c.EvalEvery, "steps between validations")
	f.IntVar(&c.ProbeEvery, "probe-every", c.ProbeEvery, "steps between probes of the network; 0 for no probes")
	f.IntVar(&c.LandscapeEvery, "landscape-every", 0,
		"`steps` between surveys of the loss around the weights: how far a step along the gradient changes loss and "+
			"gradient, and how far the update of earlier blocks changes a block's gradient (Santurkar et al. 2018); each "+
			"takes as long as -layers + 4 steps; 0 for none")
	f.IntVar(&c.StatisticsBatches, "statistics-batches", 0,
		"`number` of training batches over which BatchNorm's statistics are recomputed after the last step, for one more "+
			"validation loss (PreciseBN); the saved weights keep the running ones; 0 for none")
	f.BoolVar(&c.StopOnDivergence, "stop-on-divergence", false,
		"end a run early, at the first loss or gradient that is not finite, or when two validations in a row after "+
			"warm-up are no better than its start (with -init: than guessing)")
	f.Func("checkpoint-every",
		"`distance` between two checkpoints of a run, which it goes on from if it is stopped or killed: a time of "+
			"training such as 30s, or a number of steps such as 500; 0 for none (default 30s)",
		func(s string) (err error) {
			o.Checkpoints, err = parseInterval(s)
			return err
		})
	f.IntVar(&o.Jobs, "jobs", 0,
		"`runs` at a time; 0 measures which is faster, one run on all threads or one run per thread")
	f.Var(&o.Shard, "shard",
		"train only the `i/n`-th share of the runs, such as 2/8, and write no report; "+
			"a task of a Slurm job array does so without this flag")
	return o
}

// maxRuns is a limit against typing errors, far above the size of real grids.
const maxRuns = 100_000

// Check completes the options after the flags are parsed. It returns an error for the first
// flag that does not fit the others. It does not check the settings of the runs; Plan.Check
// does.
func (o *Options) Check() error {
	if o.flags == nil {
		return errors.New("lab: the options are a zero value, want those of DefineFlags")
	}
	o.given = make(map[string]bool)
	o.flags.Visit(func(f *flag.Flag) { o.given[f.Name] = true })
	g := &o.Grid
	if !o.given["warmup"] {
		g.Base.Warmup = min(g.Base.Warmup, g.Base.Steps/3)
	}
	one := *g
	one.Seeds = 1
	switch {
	case o.given["data"] && o.given["domains"]:
		return errors.New("-data and -domains are both given, want one text (add the file to -domains as name=file)")
	case o.given["init"] && o.Init == "":
		return errors.New("-init is empty, want a checkpoint")
	case o.Out == "":
		return errors.New("-out is empty, want a directory")
	case g.Seeds < 1:
		return fmt.Errorf("-seeds is %d, want 1 or more", g.Seeds)
	case g.Seeds > maxRuns/len(one.Configs()):
		return fmt.Errorf("-seeds is %d, which makes more than %d runs", g.Seeds, maxRuns)
	case g.Base.Seed > math.MaxUint64-uint64(g.Seeds-1):
		return fmt.Errorf("-seed is %d, too large for %d more", g.Base.Seed, g.Seeds-1)
	case o.Jobs < 0:
		return fmt.Errorf("-jobs is %d, want 0 or more", o.Jobs)
	}
	return nil
}

// list defines a flag whose value is a list of different items, separated by commas.
func list[T comparable](
	f *flag.FlagSet, into *[]T, name, help string, parse func(string) (T, error), format func(T) string,
) {
	if len(*into) > 0 {
		help += " (default " + join(*into, format) + ")"
	}
	f.Func(name, help, func(s string) error {
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

func parseText[S ~string](s string) (S, error) { return S(s), nil }

func parseOnOff(s string) (bool, error) {
	if s != "on" && s != "off" {
		return false, fmt.Errorf("%q is unknown, want on or off", s)
	}
	return s == "on", nil
}

// parseOrder returns an order as a config has it. Whether it exists, Plan.Check finds.
func parseOrder(s string) (string, error) {
	if s == randomOrder {
		return "", nil
	}
	return s, nil
}

// parseInterval returns a number of steps or a time, nil for 0.
func parseInterval(s string) (*train.Interval, error) {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 {
		if n == 0 {
			return nil, nil
		}
		return &train.Interval{Steps: n}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return &train.Interval{Time: d}, nil
	}
	return nil, errors.New("want a number of steps, a time such as 30s, or 0 for no checkpoints")
}

const randomOrder = "random"

func orderName(order string) string { return cmp.Or(order, randomOrder) }

// parseShare returns a share of a text as a config has it, where 0 is all of it.
func parseShare(s string) (float64, error) {
	v, err := parseNumber(s)
	switch {
	case err != nil:
		return 0, err
	case !(v > 0 && v <= 1):
		return 0, fmt.Errorf("%s is no share, want a number above 0 and at most 1", s)
	case v == 1:
		return 0, nil
	}
	return v, nil
}

func shareName(share float64) string { return number(cmp.Or(share, 1)) }

func parseNumber(s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return v, nil
}
