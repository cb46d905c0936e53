package train

import "math"

// probes reports whether the network is looked into at a step: the first, every
// ProbeEvery-th and the last.
func (c Config) probes(step int) bool {
	return c.ProbeEvery > 0 && (step == 1 || step%c.ProbeEvery == 0 || step == c.Steps)
}

// evaluates reports whether the validation loss is taken after a step: every
// EvalEvery-th and the last.
func (c Config) evaluates(step int) bool {
	return step%c.EvalEvery == 0 || step == c.Steps
}

// Rate is the learning rate of a step (from 0): a linear warm-up to LR over
// Warmup steps, then half a cosine that would reach MinLR one step after the last
// (Loshchilov & Hutter 2017, as nanoGPT computes it).
func (c Config) Rate(step int) float64 {
	if step < c.Warmup {
		return c.LR * (float64(step) + 1) / (float64(c.Warmup) + 1)
	}
	if step >= c.Steps {
		return c.MinLR
	}
	done := (float64(step) - float64(c.Warmup)) / (float64(c.Steps) - float64(c.Warmup))
	return c.MinLR + (c.LR-c.MinLR)*(1+math.Cos(math.Pi*done))/2
}
