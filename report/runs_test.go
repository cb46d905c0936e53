package report

import (
	"math"
	"strings"

	"gorgonorm/runlog"
)

var nan = notANumber

// someRuns are four runs as a lab leaves them: one diverged, one interrupted,
// one without validation.
func someRuns() []runlog.Run {
	none := made("none", 1)
	none.Steps = none.Steps[:57]
	for i := 40; i < 57; i++ { // the explosion
		none.Steps[i].Loss *= runlog.Float(math.Pow(1.4, float64(i-39)))
		none.Steps[i].GradNorm *= runlog.Float(math.Pow(2, float64(i-39)))
	}
	none.Steps[56].Loss, none.Steps[56].GradNorm = nan, runlog.Float(math.Inf(1))
	batch := made("batch", 2)
	batch.Steps = batch.Steps[:120]
	layer := made("layer", 3)
	rms := made("rms", 4)
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

// defaults are settings of a run, those of package train.
var defaults = runlog.Config{
	Norm: "layer", Placement: "pre",
	Layers: 4, Heads: 4, Channels: 128, Context: 64,
	Batch: 12, Steps: 200, Seed: 1, Warmup: 100,
	LR: 1e-3, MinLR: 1e-4, Beta1: 0.9, Beta2: 0.99, WeightDecay: 0.1, Clip: 1,
	EvalEvery: 50, EvalBatches: 20, ProbeEvery: 10,
}

// made is a run of 300 steps with noise that is the same in every test.
func made(norm string, seed int) runlog.Run {
	r := runlog.Run{Config: defaults}
	r.Config.Norm, r.Config.Steps = norm, 300
	r.Config.Data = "/somewhere/else/Isaac.Newton-Opticks.txt"
	r.Config.DataSHA256 = strings.Repeat("0123456789abcdef", 4)
	r.Config.Vocabulary = "\n abcdefghijklmnopqrstuvwxyzé"
	r.Summary = runlog.Summary{Norm: norm, Parameters: 804_096 + 128*seed, InitVal: runlog.Float(3.5 + 0.05*float64(seed)), SpikeWindow: 75}
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

// sum fills in the part of the summary that follows from the steps.
func sum(r *runlog.Run) {
	s := &r.Summary
	s.Steps, s.FirstLoss, s.LastLoss, s.BestVal, s.LastVal, s.MaxGradNorm = len(r.Steps), nan, nan, nan, nan, nan
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

// edgeRuns are what no chart or table may stumble over.
func edgeRuns() map[string][]runlog.Run {
	one := made("layer", 1)
	one.Steps = one.Steps[:1]
	zero := made("rms", 1)
	zero.Steps = nil
	bad := made("batch", 1)
	for i := range bad.Steps {
		bad.Steps[i].Loss, bad.Steps[i].GradNorm, bad.Steps[i].ValLoss = nan, nan, &nan
	}
	flat := made("none", 1)
	for i := range flat.Steps {
		flat.Steps[i].Loss, flat.Steps[i].GradNorm = 0, 0
	}
	huge := made("none", 1)
	huge.Steps[3].Loss, huge.Steps[3].GradNorm = math.MaxFloat64, math.MaxFloat64
	huge.Steps[4].Loss, huge.Steps[4].GradNorm = 3e38, 3e38
	burst := made("batch", 1)
	burst.Steps = burst.Steps[:1]
	burst.Steps[0].Loss = 3e38
	odd := made("<b>&\"odd\"</b>", 1)
	for _, r := range []*runlog.Run{&one, &zero, &bad, &flat, &huge, &burst, &odd} {
		sum(r)
	}
	burst.Summary.DivergedAt = 2
	return map[string][]runlog.Run{
		"one step":             {one},
		"no steps":             {zero},
		"all NaN":              {bad},
		"all zero":             {flat},
		"huge values":          {huge},
		"diverged at once":     {burst, one},
		"all of them":          {one, zero, bad, flat, huge, burst, odd},
		"a name with mark-up":  {odd},
		"an empty record":      {{}},
		"more runs than looks": {one, one, one, one, one, one, one, one, one},
	}
}
