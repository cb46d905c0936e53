// Package runtest makes records of training runs for tests.
package runtest

import (
	"math"
	"slices"
	"strings"
	"time"

	"gorgonorm/runlog"
)

// Values of measures that are not finite.
var (
	NaN = runlog.Float(math.NaN())
	Inf = runlog.Float(math.Inf(1))
)

// OneEach returns a run of each of four norms: one diverged, one was interrupted, one has
// no validation loss.
func OneEach() []runlog.Run {
	none := Noisy("none", 1)
	none.Steps = none.Steps[:57]
	for i := 40; i < 57; i++ { // the explosion
		none.Steps[i].Loss *= runlog.Float(math.Pow(1.4, float64(i-39)))
		none.Steps[i].GradNorm *= runlog.Float(math.Pow(2, float64(i-39)))
	}
	none.Steps[56].Loss, none.Steps[56].GradNorm = NaN, Inf
	batch := Noisy("batch", 2)
	batch.Steps = batch.Steps[:120]
	layer := Noisy("layer", 3)
	rms := Noisy("rms", 4)
	for i := range rms.Steps {
		rms.Steps[i].ValLoss = nil
	}
	runs := []runlog.Run{none, batch, layer, rms}
	for i := range runs {
		sum(&runs[i])
	}
	runs[0].Summary.DivergedAt, runs[0].Summary.Divergence = 57, runlog.NonFinite
	runs[0].Summary.NonFinite = "GELU transformer.h.0.mlp.gelu forward: +Inf"
	runs[0].Summary.SpikeWindow, runs[0].Summary.LossSpikes, runs[0].Summary.GradSpikes = 14, 0.07, 0.093
	runs[1].Summary.Interrupted = true
	return runs
}

// Config is the settings that package train has by default.
var Config = runlog.Config{
	Norm: "layer", Placement: "pre",
	Layers: 4, Heads: 4, Channels: 128, Context: 64,
	Batch: 12, Steps: 200, Seed: 1, Warmup: 100,
	LR: 1e-3, MinLR: 1e-4, Beta1: 0.9, Beta2: 0.99, WeightDecay: 0.1, Clip: 1,
	EvalEvery: 50, EvalBatches: 20, ProbeEvery: 10,
}

// Noisy returns a run of 300 steps with noise that depends on the seed alone.
func Noisy(norm string, seed int) runlog.Run {
	r := runlog.Run{Config: Config}
	r.Config.Norm, r.Config.Steps = norm, 300
	r.Config.Data = "/somewhere/else/Isaac.Newton-Opticks.txt"
	r.Config.DataSHA256 = strings.Repeat("0123456789abcdef", 4)
	r.Config.Vocabulary = "\n abcdefghijklmnopqrstuvwxyzé"
	r.Summary = runlog.Summary{
		Norm: norm, Parameters: 804_096 + 128*seed, InitVal: runlog.Float(3.5 + 0.05*float64(seed)), SpikeWindow: 75,
	}
	r.Speed = runlog.Speed{TokensPerSec: runlog.Float(21_000 + 137*seed), Seconds: 11}
	for i := range r.Config.Steps {
		x, wave := float64(i), math.Sin(float64(seed*i*i))
		s := runlog.Step{
			Step:     i + 1,
			Loss:     runlog.Float(1.6 + 0.05*float64(seed) + 1.8*math.Exp(-x/60) + 0.08*wave),
			GradNorm: runlog.Float((0.4 + 2*math.Exp(-x/25)) * math.Exp(0.2*wave)),
			LR:       1e-3,
		}
		if (i+1)%r.Config.EvalEvery == 0 {
			v := s.Loss + 0.1
			s.ValLoss = &v
		}
		r.Steps = append(r.Steps, s)
	}
	sum(&r)
	return r
}

// sum sets the part of the summary that follows from the steps.
func sum(r *runlog.Run) {
	s := &r.Summary
	s.Steps, s.FirstLoss, s.LastLoss, s.BestVal, s.LastVal, s.MaxGradNorm = len(r.Steps), NaN, NaN, NaN, NaN, NaN
	for i, step := range r.Steps {
		if i == 0 {
			s.FirstLoss, s.MaxGradNorm = step.Loss, step.GradNorm
		}
		s.LastLoss, s.MaxGradNorm = step.Loss, max(s.MaxGradNorm, step.GradNorm)
		if step.ValLoss != nil {
			s.LastVal = *step.ValLoss
			if !(s.BestVal <= s.LastVal) {
				s.BestVal = s.LastVal
			}
		}
	}
}

// Edges returns runs at the edges of what charts and tables must handle, by description.
func Edges() map[string][]runlog.Run {
	one := Noisy("layer", 1)
	one.Steps = one.Steps[:1]
	zero := Noisy("rms", 1)
	zero.Steps = nil
	bad := Noisy("batch", 1)
	for i := range bad.Steps {
		bad.Steps[i].Loss, bad.Steps[i].GradNorm, bad.Steps[i].ValLoss = NaN, NaN, &NaN
	}
	flat := Noisy("none", 1)
	for i := range flat.Steps {
		flat.Steps[i].Loss, flat.Steps[i].GradNorm = 0, 0
	}
	huge := Noisy("none", 1)
	huge.Steps[3].Loss, huge.Steps[3].GradNorm = math.MaxFloat64, math.MaxFloat64
	huge.Steps[4].Loss, huge.Steps[4].GradNorm = 3e38, 3e38
	burst := Noisy("batch", 1)
	burst.Steps = burst.Steps[:1]
	burst.Steps[0].Loss = 3e38
	odd := Noisy("<b>&\"odd\"</b>", 1)
	for _, r := range []*runlog.Run{&one, &zero, &bad, &flat, &huge, &burst, &odd} {
		sum(r)
	}
	burst.Summary.DivergedAt = 2
	return map[string][]runlog.Run{
		"one step":              {one},
		"no steps":              {zero},
		"all NaN":               {bad},
		"all zero":              {flat},
		"huge values":           {huge},
		"diverged at once":      {burst, one},
		"all of them":           {one, zero, bad, flat, huge, burst, odd},
		"a name with mark-up":   {odd},
		"an empty record":       {{}},
		"more runs than styles": {one, one, one, one, one, one, one, one, one},
	}
}

// initVal is the loss that the runs of a grid start from.
const initVal = 4.2

// Cell is a run of 100 steps in a grid with a final loss. It starts from a loss of 4.2;
// with a final one above that it is no better than its start, and with one that is not
// finite it was stopped at step 12.
func Cell(norm, placement string, qk bool, lr float64, seed uint64, loss runlog.Float) runlog.Run {
	r := runlog.Run{Config: Config}
	r.Config.Norm, r.Config.Placement, r.Config.QKNorm = norm, placement, qk
	r.Config.LR, r.Config.MinLR, r.Config.Seed, r.Config.Steps = lr, lr/10, seed, 100
	r.Config.Data = "/somewhere/else/Isaac.Newton-Opticks.txt"
	r.Config.DataSHA256 = strings.Repeat("0123456789abcdef", 4)
	steps := 100
	s := &r.Summary
	*s = runlog.Summary{
		Norm: norm, Parameters: 804_096, InitVal: initVal,
		MedianGradNorm: runlog.Float(lr), MaxGradNorm: 10 * runlog.Float(lr), GradNormCV: 0.5,
		LossSpikes: 0.02, GradSpikes: 0.04, SpikeWindow: 50, TrainModeVal: loss,
	}
	if norm == "batch" {
		s.TrainModeVal -= 0.02
	}
	if !loss.Finite() {
		steps = 12
		s.TrainModeVal, s.MaxGradNorm = NaN, Inf
		s.Stopped, s.DivergedAt, s.Divergence = true, 12, runlog.NonFinite
		s.NonFinite = "GELU transformer.h.0.mlp.gelu forward: +Inf"
	} else if loss >= initVal {
		s.DivergedAt, s.Divergence = 100, runlog.NotLearning
	}
	for i := 1; i <= steps; i++ {
		done := runlog.Float(i) / 100
		step := runlog.Step{Step: i, Loss: initVal + done*(loss-initVal), GradNorm: 2 - done, LR: runlog.Float(lr)}
		if !loss.Finite() {
			step.Loss, step.GradNorm = initVal+done, 2+3*done
			if i == steps {
				step.Loss = NaN
			}
		}
		if i%50 == 0 {
			v := step.Loss
			step.ValLoss = &v
		}
		r.Steps = append(r.Steps, step)
	}
	median, top := s.MedianGradNorm, s.MaxGradNorm
	sum(&r)
	s.MedianGradNorm, s.MaxGradNorm = median, top
	r.Speed = runlog.Speed{TokensPerSec: 20_000, Seconds: 5}
	return r
}

// Probed returns a run with two probes of its blocks. The RMS of the residual stream after
// the embedding and after each block is first in step 1, and end in the last step.
func Probed(r runlog.Run, first, end []runlog.Float) runlog.Run {
	for i, sizes := range [][]runlog.Float{first, end} {
		p := runlog.Probe{Step: 1, Attention: []runlog.Float{1, 2}, LogZ: runlog.Moments{Mean: 4.2}}
		n := runlog.NormProbe{Name: "h.0.ln_1"}
		if i > 0 {
			p.Step = len(r.Steps)
			n.Drift = &runlog.Drift{Shift: 0.5}
		}
		if r.Config.Norm == "batch" {
			n.Batch = &runlog.Batch{Mean: 0.1, Var: 0.2}
		}
		for _, s := range sizes {
			p.Residual = append(p.Residual, runlog.Spread{RMS: s, Max: 4 * s})
		}
		p.Norms = []runlog.NormProbe{n}
		if r.Config.QKNorm {
			q := runlog.NormProbe{Name: "h.0.attn.qk_norm"}
			if i > 0 {
				q.Drift = &runlog.Drift{Shift: 1.5}
			}
			p.Norms = append(p.Norms, q)
		}
		p.Groups = []runlog.GroupProbe{{Name: "wte", Update: 0.01}, {Name: "wpe", Update: 0.03}}
		r.Probes = append(r.Probes, p)
	}
	return r
}

// Grid returns runs of four norms, one of them at two placements and with qk-norm, over
// three learning rates and two seeds. One run is missing, one was interrupted, and some
// diverged.
func Grid() (runs []runlog.Run) {
	for _, v := range []struct {
		norm      string
		placement string
		qk        bool
		losses    [3]runlog.Float
	}{
		{"none", "pre", false, [3]runlog.Float{2.6, 3.1, Inf}},
		{"batch", "pre", false, [3]runlog.Float{2.2, 2.1, 2.4}},
		{"layer", "pre", false, [3]runlog.Float{2, 1.8, 2.2}},
		{"layer", "pre", true, [3]runlog.Float{2, 1.85, 1.9}},
		{"layer", "post", false, [3]runlog.Float{1.95, 3, 4.3}},
		{"rms", "pre", false, [3]runlog.Float{2, 1.81, 2.3}},
	} {
		end := []runlog.Float{0.1, 0.4, 0.8}
		if v.norm == "none" {
			end = []runlog.Float{0.1, 1, 6}
		}
		for i, lr := range []float64{0.001, 0.01, 0.1} {
			for seed := range uint64(2) {
				r := Cell(v.norm, v.placement, v.qk, lr, seed+1, v.losses[i]+0.03*runlog.Float(seed))
				runs = append(runs, Probed(r, []runlog.Float{0.03, 0.04, 0.05}, end))
			}
		}
	}
	cut := &runs[10] // batch, lr 0.1, seed 1
	cut.Steps, cut.Summary.Steps, cut.Summary.Interrupted = cut.Steps[:8], 8, true
	return slices.Delete(runs, 29, 30) // layer post, lr 0.1, seed 2
}

// Plain returns pre-norm runs of one norm, given the losses of the seeds at each learning
// rate.
func Plain(norm string, losses map[float64][]runlog.Float) (runs []runlog.Run) {
	for lr, bySeed := range losses {
		for i, l := range bySeed {
			runs = append(runs, Cell(norm, "pre", false, lr, uint64(i+1), l))
		}
	}
	return runs
}

// Pages are the records of directories of each kind that a page must show, by name.
func Pages() map[string]runlog.Records {
	lost := append(Plain("none", map[float64][]runlog.Float{0.01: {Inf, NaN}, 0.1: {5, 1e13}}),
		Plain("layer", map[float64][]runlog.Float{0.01: {Inf, NaN}, 0.1: {6, 7}})...)
	grid := Grid()
	one := Probed(Noisy("layer", 1), []runlog.Float{0.03, 0.04, 0.05}, []runlog.Float{0.1, 0.4, 0.8})
	large := Large()
	return map[string]runlog.Records{
		"empty":         {Plan: planOf(grid)},
		"one-run":       {Runs: []runlog.Run{one}, Plan: planOf([]runlog.Run{one})},
		"one-each":      {Runs: OneEach()},
		"all-diverged":  {Runs: lost, Plan: planOf(lost)},
		"half-finished": {Runs: grid[:24], Plan: planOf(grid)},
		"broken": {Runs: grid[6:], Plan: planOf(grid[6:]), Broken: []runlog.Broken{
			{Name: "none-pre-lr0.1-seed1", Reason: "metrics.jsonl, line 4: it is truncated"},
			{Name: runlog.PlanFile, Reason: "it is truncated"},
		}},
		"large":       {Runs: large, Plan: planOf(large)},
		"two-hundred": {Runs: TwoHundred()},
	}
}

// planOf returns a plan of runs.
func planOf(runs []runlog.Run) *runlog.Plan {
	p := &runlog.Plan{Provenance: runlog.Provenance{
		Command: "stability -out 'some runs'", Date: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC), Go: "go1.26.8",
		System: "linux/amd64", Processor: "A Processor", Threads: 2,
	}}
	for _, r := range runs {
		p.Runs = append(p.Runs, runlog.PlannedOf(r.Config))
	}
	return p
}

// Large returns a grid of ten variants, seven learning rates and three seeds, with noise, losses
// that rise with the rate, and divergence at large ones.
func Large() (runs []runlog.Run) {
	for k, norm := range []string{"none", "batch", "layer", "rms", "dyt"} {
		for j, placement := range []string{"pre", "post"} {
			variant := float64(2*k + j)
			for i, lr := range []float64{0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3} {
				for seed := range uint64(3) {
					loss := runlog.Float(1.8 + 0.03*variant + 0.1*math.Pow(float64(i-2), 2) + 0.02*float64(seed))
					if norm == "none" && i > 3 || placement == "post" && i > 4 {
						loss = Inf
					}
					r := Cell(norm, placement, false, lr, seed+1, loss)
					for s := range r.Steps {
						wave := math.Sin(float64(s*s)*(variant+1) + float64(i))
						r.Steps[s].Loss *= runlog.Float(1 + 0.03*wave)
						r.Steps[s].GradNorm *= runlog.Float(math.Exp(0.4 * wave))
					}
					end := []runlog.Float{1, 2, 3, runlog.Float(1 + variant)}
					runs = append(runs, Probed(r, []runlog.Float{0.1, 0.2, 0.4, 0.5}, end))
				}
			}
		}
	}
	return runs
}

// TwoHundred returns 200 runs of 300 steps with 30 probes of twelve blocks.
func TwoHundred() (runs []runlog.Run) {
	for i, norm := range []string{"none", "batch", "layer", "rms", "dyt"} {
		for j := range 40 {
			r := Noisy(norm, 1+10*i)
			r.Config.LR, r.Config.Seed = []float64{0.001, 0.003, 0.01, 0.03, 0.1}[j%5], uint64(1+j/5)
			for step := 10; step <= 300; step += 10 {
				p := runlog.Probe{Step: step}
				for depth := range 13 {
					size := runlog.Float(0.123456 * float64(step+depth))
					p.Residual = append(p.Residual, runlog.Spread{RMS: size})
					p.Attention = append(p.Attention, size)
					p.Norms = append(p.Norms, runlog.NormProbe{Drift: &runlog.Drift{Shift: size}})
				}
				r.Probes = append(r.Probes, p)
			}
			runs = append(runs, r)
		}
	}
	return runs
}
