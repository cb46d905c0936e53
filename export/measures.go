// Package export gives the records of training runs to other tools: any measure of any run as a
// table, and as event files for TensorBoard. It depends on the records, of package runlog, and not
// on what makes them.
package export

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gorgonorm/runlog"
)

// Measure is something that was measured in a run: once, at each step, or at each probe, and then
// of the whole model or at several places in it.
type Measure struct {
	Name    string
	Meaning string // with its unit
	points  func(runlog.Run) []point
}

// point is a value of a measure.
type point struct {
	step  int    // from 1; 0 for the whole run
	place string // such as a block or a norm; "" for the whole model
	value runlog.Float
}

// Measures are all numbers that a run records. Losses are in nats per token.
var Measures = []Measure{
	ofRun("parameters", "learnable numbers",
		func(r runlog.Run) runlog.Float { return runlog.Float(r.Summary.Parameters) }),
	ofRun("steps", "steps done", func(r runlog.Run) runlog.Float { return runlog.Float(r.Summary.Steps) }),
	ofRun("first_loss", "training loss of the first step",
		func(r runlog.Run) runlog.Float { return r.Summary.FirstLoss }),
	ofRun("last_loss", "training loss of the last step", func(r runlog.Run) runlog.Float { return r.Summary.LastLoss }),
	ofRun("init_val", "validation loss of the initial weights",
		func(r runlog.Run) runlog.Float { return r.Summary.InitVal }),
	ofRun("best_val", "lowest validation loss", func(r runlog.Run) runlog.Float { return r.Summary.BestVal }),
	ofRun("last_val", "last validation loss", func(r runlog.Run) runlog.Float { return r.Summary.LastVal }),
	ofRun("train_mode_val", "last validation loss in training mode",
		func(r runlog.Run) runlog.Float { return r.Summary.TrainModeVal }),
	optional("precise_val", "the same with statistics of many training batches",
		func(r runlog.Run) *runlog.Float { return r.Summary.PreciseVal }),
	optional("domain_statistics_val", "the same with each domain's own",
		func(r runlog.Run) *runlog.Float { return r.Summary.DomainStatisticsVal }),
	{"domain_val", "last validation loss on each domain", domainLosses},
	ofRun("median_grad_norm", "median over the steps of the gradient norm",
		func(r runlog.Run) runlog.Float { return r.Summary.MedianGradNorm }),
	ofRun("max_grad_norm", "largest gradient norm", func(r runlog.Run) runlog.Float { return r.Summary.MaxGradNorm }),
	ofRun("grad_norm_cv", "coefficient of variation of the gradient norm",
		func(r runlog.Run) runlog.Float { return r.Summary.GradNormCV }),
	ofRun("loss_spikes", "fraction of the steps at which the loss spikes",
		func(r runlog.Run) runlog.Float { return r.Summary.LossSpikes }),
	ofRun("grad_spikes", "the same of the gradient norm",
		func(r runlog.Run) runlog.Float { return r.Summary.GradSpikes }),
	ofRun("spike_window", "steps that a spike is compared with, 0 if too few",
		func(r runlog.Run) runlog.Float { return runlog.Float(r.Summary.SpikeWindow) }),
	ofRun("diverged_at", "step at which it diverged, 0 if it did not",
		func(r runlog.Run) runlog.Float { return runlog.Float(r.Summary.DivergedAt) }),
	ofRun("tokens_per_s", "tokens per second of training",
		func(r runlog.Run) runlog.Float { return r.Speed.TokensPerSec }),
	ofRun("seconds", "seconds of the whole run", func(r runlog.Run) runlog.Float { return r.Speed.Seconds }),

	ofStep("loss", "training loss of the step's batch", func(s runlog.Step) runlog.Float { return s.Loss }),
	ofStep("grad_norm", "global gradient norm before clipping", func(s runlog.Step) runlog.Float { return s.GradNorm }),
	ofStep("lr", "learning rate of the update", func(s runlog.Step) runlog.Float { return s.LR }),
	{"val_loss", "validation loss after the update", validationLosses},
	ofLandscape("landscape_loss", "change of the loss at multiples of the update", along(lossChange)),
	ofLandscape("landscape_gradient", "change of the gradient there", along(gradientChange)),
	ofLandscape("block_gradient", "change of a block's gradient by earlier updates", blocks(blockGradient)),
	ofLandscape("block_cosine", "cosine between that gradient and before", blocks(blockCosine)),

	ofProbe("residual_rms", "RMS of the residual stream by block, 0: embedding", residual(rms)),
	ofProbe("residual_max", "its largest absolute value", residual(largest)),
	ofProbe("attention_logit", "largest attention logit of each block", attention),
	ofProbe("norm_in_rms", "RMS of each norm's input", norms(func(n runlog.NormProbe) *runlog.Float { return &n.In.RMS })),
	ofProbe("norm_in_max", "its largest absolute value",
		norms(func(n runlog.NormProbe) *runlog.Float { return &n.In.Max })),
	ofProbe("norm_out_rms", "RMS of each norm's output",
		norms(func(n runlog.NormProbe) *runlog.Float { return &n.Out.RMS })),
	ofProbe("norm_out_max", "its largest absolute value",
		norms(func(n runlog.NormProbe) *runlog.Float { return &n.Out.Max })),
	ofProbe("drift_shift", "shift of a norm's input since the last probe, in σ", norms(shift)),
	ofProbe("drift_log_ratio", "change of the logarithm of its deviation", norms(logRatio)),
	ofProbe("batch_mean", "distance of a BatchNorm's means from the running", norms(batchMean)),
	ofProbe("batch_var", "the same of its variances", norms(batchVar)),
	ofProbe("group_grad", "gradient norm of each group of parameters",
		groups(func(g runlog.GroupProbe) runlog.Float { return g.Grad })),
	ofProbe("group_weight", "norm of its weights", groups(func(g runlog.GroupProbe) runlog.Float { return g.Weight })),
	ofProbe("group_update", "norm of its update over that of its weights",
		groups(func(g runlog.GroupProbe) runlog.Float { return g.Update })),
	ofProbe("logits_mean", "mean of the output logits", whole(func(p runlog.Probe) runlog.Float { return p.Logits.Mean })),
	ofProbe("logits_std", "their standard deviation", whole(func(p runlog.Probe) runlog.Float { return p.Logits.Std })),
	ofProbe("log_z", "mean over the tokens of log Σ exp(logits)",
		whole(func(p runlog.Probe) runlog.Float { return p.LogZ.Mean })),
	ofProbe("log_z_std", "its standard deviation", whole(func(p runlog.Probe) runlog.Float { return p.LogZ.Std })),
}

// Find returns the measures with the names, of which none may be there twice.
func Find(names []string) (found []Measure, err error) {
	for _, name := range names {
		named := func(m Measure) bool { return m.Name == name }
		at := slices.IndexFunc(Measures, named)
		if at < 0 {
			var all []string
			for _, m := range Measures {
				all = append(all, m.Name)
			}
			return nil, fmt.Errorf("export: there is no measure %q, want some of %s", name, strings.Join(all, ", "))
		}
		if slices.ContainsFunc(found, named) {
			return nil, fmt.Errorf("export: the measure %q is named twice", name)
		}
		found = append(found, Measures[at])
	}
	return found, nil
}

func ofRun(name, meaning string, value func(runlog.Run) runlog.Float) Measure {
	return Measure{name, meaning, func(r runlog.Run) []point { return []point{{value: value(r)}} }}
}

// optional is a measure that some runs lack.
func optional(name, meaning string, value func(runlog.Run) *runlog.Float) Measure {
	return Measure{name, meaning, func(r runlog.Run) []point {
		if v := value(r); v != nil {
			return []point{{value: *v}}
		}
		return nil
	}}
}

func ofStep(name, meaning string, value func(runlog.Step) runlog.Float) Measure {
	return Measure{name, meaning, func(r runlog.Run) (points []point) {
		for _, s := range r.Steps {
			points = append(points, point{step: s.Step, value: value(s)})
		}
		return points
	}}
}

func ofProbe(name, meaning string, values func(runlog.Probe) []point) Measure {
	return Measure{name, meaning, func(r runlog.Run) (points []point) {
		for _, p := range r.Probes {
			for _, v := range values(p) {
				v.step = p.Step
				points = append(points, v)
			}
		}
		return points
	}}
}

func ofLandscape(name, meaning string, values func(runlog.Landscape) []point) Measure {
	return Measure{name, meaning, func(r runlog.Run) (points []point) {
		for _, s := range r.Steps {
			if s.Landscape == nil {
				continue
			}
			for _, v := range values(*s.Landscape) {
				v.step = s.Step
				points = append(points, v)
			}
		}
		return points
	}}
}

func domainLosses(r runlog.Run) (points []point) {
	for _, d := range r.Summary.DomainVal {
		points = append(points, point{place: d.Domain, value: d.Loss})
	}
	return points
}

func validationLosses(r runlog.Run) (points []point) {
	for _, s := range r.Steps {
		if s.ValLoss != nil {
			points = append(points, point{step: s.Step, value: *s.ValLoss})
		}
	}
	return points
}

func lossChange(a runlog.Along) runlog.Float     { return a.Loss }
func gradientChange(a runlog.Along) runlog.Float { return a.Gradient }

// along names the distances of a landscape's points by their multiples of the update, such as 2x,
// which is the name of no block.
func along(change func(runlog.Along) runlog.Float) func(runlog.Landscape) []point {
	return func(l runlog.Landscape) (points []point) {
		for _, a := range l.Along {
			place := strconv.FormatFloat(float64(a.Times), 'g', -1, 64) + "x"
			points = append(points, point{place: place, value: change(a)})
		}
		return points
	}
}

func blockGradient(b runlog.BlockChange) runlog.Float { return b.Gradient }
func blockCosine(b runlog.BlockChange) runlog.Float   { return b.Cosine }

// blocks names blocks from 1 on, as residual does.
func blocks(change func(runlog.BlockChange) runlog.Float) func(runlog.Landscape) []point {
	return func(l runlog.Landscape) (points []point) {
		for i, b := range l.Blocks {
			points = append(points, point{place: strconv.Itoa(i + 1), value: change(b)})
		}
		return points
	}
}

// whole returns a measure of the whole model.
func whole(value func(runlog.Probe) runlog.Float) func(runlog.Probe) []point {
	return func(p runlog.Probe) []point { return []point{{value: value(p)}} }
}

func rms(s runlog.Spread) runlog.Float     { return s.RMS }
func largest(s runlog.Spread) runlog.Float { return s.Max }

func residual(size func(runlog.Spread) runlog.Float) func(runlog.Probe) []point {
	return func(p runlog.Probe) (points []point) {
		for i, s := range p.Residual {
			points = append(points, point{place: strconv.Itoa(i), value: size(s)})
		}
		return points
	}
}

// attention names blocks from 1 on, as residual does.
func attention(p runlog.Probe) (points []point) {
	for i, v := range p.Attention {
		points = append(points, point{place: strconv.Itoa(i + 1), value: v})
	}
	return points
}

// norms returns a measure of the norms that have it.
func norms(value func(runlog.NormProbe) *runlog.Float) func(runlog.Probe) []point {
	return func(p runlog.Probe) (points []point) {
		for _, n := range p.Norms {
			if v := value(n); v != nil {
				points = append(points, point{place: n.Name, value: *v})
			}
		}
		return points
	}
}

func shift(n runlog.NormProbe) *runlog.Float {
	if n.Drift == nil {
		return nil
	}
	return &n.Drift.Shift
}

func logRatio(n runlog.NormProbe) *runlog.Float {
	if n.Drift == nil {
		return nil
	}
	return &n.Drift.LogRatio
}

func batchMean(n runlog.NormProbe) *runlog.Float {
	if n.Batch == nil {
		return nil
	}
	return &n.Batch.Mean
}

func batchVar(n runlog.NormProbe) *runlog.Float {
	if n.Batch == nil {
		return nil
	}
	return &n.Batch.Var
}

func groups(value func(runlog.GroupProbe) runlog.Float) func(runlog.Probe) []point {
	return func(p runlog.Probe) (points []point) {
		for _, g := range p.Groups {
			points = append(points, point{place: g.Name, value: value(g)})
		}
		return points
	}
}
