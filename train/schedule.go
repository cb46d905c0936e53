package train

import "gorgonorm/internal/portable"

// rate returns the learning rate of a step, counted from 0: a linear warm-up to LR over
// Warmup steps, then half a cosine that reaches MinLR one step after the last (Loshchilov
// & Hutter 2017, as nanoGPT computes it).
func rate(c Config, step int) float64 {
	if step < c.Warmup {
		return c.LR * (float64(step) + 1) / (float64(c.Warmup) + 1)
	}
	if step >= c.Steps {
		return c.MinLR
	}
	done := (float64(step) - float64(c.Warmup)) / (float64(c.Steps) - float64(c.Warmup))
	return c.MinLR + float64((c.LR-c.MinLR)*(1+portable.CosPi(done))/2)
}
