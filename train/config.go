// Package train trains the transformer on text. It has the corpus and its batches, the
// optimizer and its schedule, the training loop, and the probes, and it writes runs and
// reads them back.
package train

import (
	"cmp"
	"fmt"
	"math"

	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// The settings and the record of a run, for programs that do not import runlog.
type (
	Config = runlog.Config
	Step   = runlog.Step
	Run    = runlog.Run
)

// Defaults returns nanoGPT's settings for a character model of this size, with fewer
// steps.
func Defaults() Config {
	return Config{
		Norm: "layer", Placement: string(transformer.Pre),
		Layers: 4, Heads: 4, Channels: 128, Context: 64,
		Batch: 12, Steps: 200, Seed: 1, Warmup: 100,
		LR: 1e-3, MinLR: 1e-4, Beta1: 0.9, Beta2: 0.99, WeightDecay: 0.1, Clip: 1,
		EvalEvery: 50, EvalBatches: 20, ProbeEvery: 10,
	}
}

// Check returns an error for the first setting that a run on the text cannot have, or if the run needs
// more memory than the machine has.
func Check(c Config, text *Corpus) error {
	if err := text.check(); err != nil {
		return err
	}
	if _, err := modelOf(c, text.Vocabulary); err != nil {
		return err
	}
	if err := checkDomains(c, text); err != nil {
		return err
	}
	if err := text.first(c.TextShare).CheckContext(c.Context); err != nil {
		return err
	}
	return checkMemory(c, len(text.Vocabulary))
}

// modelOf returns the config of the run's model, or an error for the first setting that
// no run over the vocabulary can have.
func modelOf(c Config, vocabulary []rune) (m transformer.Config, err error) {
	if err := checkNumbers(c); err != nil {
		return m, fmt.Errorf("train: %w", err)
	}
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
	if err := m.Validate(); err != nil {
		return m, err
	}
	if tokens := c.Batch * c.Context; tokens < norm.MinRows {
		return m, fmt.Errorf("train: batch %d of context %d has %d tokens, the norm %s needs %d or more",
			c.Batch, c.Context, tokens, c.Norm, norm.MinRows)
	}
	return m, nil
}

// checkNumbers returns an error for the first number that is out of the range of a run of
// any model.
func checkNumbers(c Config) error {
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
		{"statistics-batches", c.StatisticsBatches, 0},
		{"landscape-every", c.LandscapeEvery, 0},
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
		within("norm-noise", c.NormNoise, 0, 1e3),
		within("text-share", c.TextShare, 0, 1),
		checkOrder(c),
	)
}

// clipping returns an error for a limit that is negative or not finite.
func clipping(limit float64) error {
	if limit >= 0 && limit <= math.MaxFloat64 {
		return nil
	}
	return fmt.Errorf("clip is %g, want a number above 0, or 0 to clip nothing", limit)
}
