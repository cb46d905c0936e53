// Package export gives the records of training runs to other tools: any measure of any run as a
// table, and as event files for TensorBoard. It depends on the records, of package runlog, and not
// on what makes them.
package export

import (
	"fmt"
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
	step  int    // 0 for the whole run
	place string // such as a block or a norm; "" for the whole model
	value runlog.Float
}

// Measures are all measures. Losses are in nats per token.
var Measures = []Measure{
	ofRun("parameters", "learnable numbers",
		func(r runlog.Run) runlog.Float { return runlog.Float(r.Summary.Parameters) }),
	ofRun("steps", "steps done", func(r runlog.Run) runlog.Float { return runlog.Float(r.Summary.Steps) }),
	ofRun("init_val", "validation loss of the initial weights",
		func(r runlog.Run) runlog.Float { return r.Summary.InitVal }),
	ofRun("best_val", "lowest validation loss", func(r runlog.Run) runlog.Float { return r.Summary.BestVal }),
	ofRun("last_val", "last validation loss", func(r runlog.Run) runlog.Float { return r.Summary.LastVal }),
	ofRun("train_mode_val", "the same in training mode",
		func(r runlog.Run) runlog.Float { return r.Summary.TrainModeVal }),
	optional("precise_val", "the same with recomputed statistics",
		func(r runlog.Run) *runlog.Float { return r.Summary.PreciseVal }),
	{"domain_val", "last validation loss on each domain", domainLosses},
	ofRun("median_grad_norm", "median over the steps of the gradient norm",
		func(r runlog.Run) runlog.Float { return r.Summary.MedianGradNorm }),
	ofRun("max_grad_norm", "largest gradient norm", func(r runlog.Run) runlog.Float { return r.Summary.MaxGradNorm }),
	ofRun("grad_norm_cv", "coefficient of variation of the gradient norm",
		func(r runlog.Run) runlog.Float { return r.Summary.GradNormCV }),
	ofRun("loss_spikes", "fraction of the steps at which the loss spikes",
		func(r runlog.Run) runlog.Float { return r.Summary.LossSpikes }),
	ofRun("grad_spikes", "fraction of the steps at which the gradient norm spikes",
		func(r runlog.Run) runlog.Float { return r.Summary.GradSpikes }),
	ofRun("diverged_at", "step at which the run diverged, 0 if it did not",
		func(r runlog.Run) runlog.Float { return runlog.Float(r.Summary.DivergedAt) }),
	ofRun("tokens_per_s", "tokens per second of training",
		func(r runlog.Run) runlog.Float { return r.Speed.TokensPerSec }),
	ofRun("seconds", "seconds of the whole run", func(r runlog.Run) runlog.Float { return r.Speed.Seconds }),

	ofStep("loss", "training loss of the step's batch", func(s runlog.Step) runlog.Float { return s.Loss }),
	ofStep("grad_norm", "global gradient norm before clipping", func(s runlog.Step) runlog.Float { return s.GradNorm }),
	ofStep("lr", "learning rate of the update", func(s runlog.Step) runlog.Float { return s.LR }),
	{"val_loss", "validation loss after the update, where it was measured", validationLosses},

	ofProbe("residual_rms", "RMS of the residual stream after embedding (0) and blocks", residual(rms)),
	ofProbe("residual_max", "its largest absolute value", residual(largest)),
	ofProbe("attention_logit", "largest attention logit of each block", attention),
	ofProbe("norm_in_rms", "RMS of each norm's input", norms(func(n runlog.NormProbe) *runlog.Float { return &n.In.RMS })),
	ofProbe("norm_out_rms", "RMS of each norm's output",
		norms(func(n runlog.NormProbe) *runlog.Float { return &n.Out.RMS })),
	ofProbe("drift_shift", "shift of each norm's input since the last probe (deviations)", norms(shift)),
	ofProbe("drift_log_ratio", "change of the logarithm of its deviation", norms(logRatio)),
	ofProbe("batch_mean", "distance of each BatchNorm's means from its running ones", norms(batchMean)),
	ofProbe("batch_var", "the same of its variances", norms(batchVar)),
	ofProbe("group_grad", "gradient norm of each group of parameters",
		groups(func(g runlog.GroupProbe) runlog.Float { return g.Grad })),
	ofProbe("group_weight", "norm of its weights", groups(func(g runlog.GroupProbe) runlog.Float { return g.Weight })),
	ofProbe("group_update", "norm of its update over that of its weights",
		groups(func(g runlog.GroupProbe) runlog.Float { return g.Update })),
	ofProbe("logits_std", "standard deviation of the output logits",
		func(p runlog.Probe) []point { return []point{{value: p.Logits.Std}} }),
	ofProbe("log_z", "mean over the tokens of log Σ exp(logits)",
		func(p runlog.Probe) []point { return []point{{value: p.LogZ.Mean}} }),
}

// Find returns the measures with the names.
func Find(names []string) (found []Measure, err error) {
	for _, name := range names {
		at := -1
		for i, m := range Measures {
			if m.Name == name {
				at = i
			}
		}
		if at < 0 {
			var all []string
			for _, m := range Measures {
				all = append(all, m.Name)
			}
			return nil, fmt.Errorf("export: there is no measure %q, want some of %s", name, strings.Join(all, ", "))
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
