// Package train trains the transformer on text: corpus, batches, optimizer,
// schedule, the loop, probes, and how runs are written and read back.
package train

import (
	"cmp"
	"fmt"
	"math"

	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// The settings and the record of a run, under the names that a program which only
// trains needs.
type (
	Config = runlog.Config
	Step   = runlog.Step
	Run    = runlog.Run
)

// Defaults are nanoGPT's settings for a character model of this size, run for a
// shorter time.
func Defaults() Config {
	return Config{
		Norm: "layer", Placement: string(transformer.Pre),
		Layers: 4, Heads: 4, Channels: 128, Context: 64,
		Batch: 12, Steps: 200, Seed: 1, Warmup: 100,
		LR: 1e-3, MinLR: 1e-4, Beta1: 0.9, Beta2: 0.99, WeightDecay: 0.1, Clip: 1,
		EvalEvery: 50, EvalBatches: 20, ProbeEvery: 10,
	}
}

// Check returns an error for the first setting with which no run on the text can begin.
func Check(c Config, text *Corpus) error {
	if err := checkSettings(c); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	m, err := modelOf(c, text.Vocabulary)
	if err != nil {
		return err
	}
	if c.Batch*c.Context < m.Norm.MinRows {
		return fmt.Errorf("train: the norm %s needs a batch of %d tokens or more, batch %d of context %d has %d",
			c.Norm, m.Norm.MinRows, c.Batch, c.Context, c.Batch*c.Context)
	}
	return text.Fits(c.Context)
}

// checkSettings returns an error for the first setting that no run can have, whatever
// its model.
func checkSettings(c Config) error {
	for _, s := range []struct {
		name string
		v    int
		min  int
	}{
		{"steps", c.Steps, 1},
		{"batch", c.Batch, 1},
		{"eval-every", c.EvalEvery, 1},
		{"eval-batches", c.EvalBatches, 1},
		{"warmup", c.Warmup, 0},
		{"probe-every", c.ProbeEvery, 0},
	} {
		if s.v < s.min {
			return fmt.Errorf("%s is %d, want %d or more", s.name, s.v, s.min)
		}
	}
	const maxTokens = 1 << 24
	if c.Context > 0 && c.Batch > maxTokens/c.Context {
		return fmt.Errorf("batch %d of context %d is more than %d tokens", c.Batch, c.Context, maxTokens)
	}
	return cmp.Or(
		within("lr", c.LR, 0, 1e3),
		within("min-lr", c.MinLR, 0, 1e3),
		lessThanOne("beta1", c.Beta1),
		lessThanOne("beta2", c.Beta2),
		within("weight-decay", c.WeightDecay, 0, 1e3),
		clipping(c.Clip),
	)
}

// clipping returns an error for a limit that cannot be one.
func clipping(limit float64) error {
	if limit >= 0 && limit <= math.MaxFloat64 {
		return nil
	}
	return fmt.Errorf("clip is %g, want a number above 0, or 0 to clip nothing", limit)
}

// modelOf returns the config of the run's model, or an error if there is no such model.
func modelOf(c Config, vocabulary []rune) (m transformer.Config, err error) {
	norm, err := transformer.NormByName(c.Norm)
	if err != nil {
		return m, err
	}
	m = transformer.Config{
		Vocab: len(vocabulary), Context: c.Context,
		Layers: c.Layers, Heads: c.Heads, Channels: c.Channels,
		Norm: norm, Placement: transformer.Placement(c.Placement), GELU: transformer.GELU(c.GELU),
		QKNorm: c.QKNorm, Bias: c.Bias, Seed: c.Seed,
	}
	return m, m.Validate()
}
