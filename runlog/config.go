// Package train trains the transformer on text: corpus, batches, optimizer,
// schedule, the loop, and the record it leaves.
package train

import (
	"cmp"
	"fmt"
	"math"

	"gorgonorm/models/transformer"
)

// Config is everything that a run depends on. The same Config on the same text
// gives the same run.
type Config struct {
	Norm      string                `json:"norm"`      // a name that transformer.NormByName knows
	Placement transformer.Placement `json:"placement"` // of the norms
	QKNorm    bool                  `json:"qk_norm"`   // of queries and keys, inside attention

	Layers   int  `json:"layers"`
	Heads    int  `json:"heads"`
	Channels int  `json:"channels"`
	Context  int  `json:"context"` // tokens that a sequence holds
	Bias     bool `json:"bias"`    // of norms and linear layers

	Batch  int    `json:"batch"` // sequences in a batch
	Steps  int    `json:"steps"`
	Seed   uint64 `json:"seed"` // of the weights and the batches
	Warmup int    `json:"warmup"`

	LR          float64 `json:"lr"`     // after warm-up
	MinLR       float64 `json:"min_lr"` // that the rate falls to
	Beta1       float64 `json:"beta1"`
	Beta2       float64 `json:"beta2"`
	WeightDecay float64 `json:"weight_decay"` // of matrices
	Clip        float64 `json:"clip"`         // largest global gradient norm of an update; 0 to clip nothing

	EvalEvery   int `json:"eval_every"`   // steps from one evaluation to the next
	EvalBatches int `json:"eval_batches"` // batches that an evaluation reads at the most
	ProbeEvery  int `json:"probe_every"`  // steps from one probe of the network to the next; 0 for none

	StopOnDivergence bool `json:"stop_on_divergence"` // end a lost run early

	GELU transformer.GELU `json:"gelu,omitempty"` // of the MLP; that of the weights that a run starts from

	Init       string `json:"init,omitempty"`        // the path of weights that are loaded before the first step
	InitSHA256 string `json:"init_sha256,omitempty"` // their hash
	InitExcept string `json:"init_except,omitempty"` // and the tensor that is not taken from them

	Data       string `json:"data"`        // the text's path
	DataSHA256 string `json:"data_sha256"` // and its hash
	Vocabulary string `json:"vocabulary"`  // its characters, in the order of their ids
}

// Defaults are nanoGPT's settings for a character model of this size, run for a
// shorter time.
func Defaults() Config {
	return Config{
		Norm: "layer", Placement: transformer.Pre,
		Layers: 4, Heads: 4, Channels: 128, Context: 64,
		Batch: 12, Steps: 200, Seed: 1, Warmup: 100,
		LR: 1e-3, MinLR: 1e-4, Beta1: 0.9, Beta2: 0.99, WeightDecay: 0.1, Clip: 1,
		EvalEvery: 50, EvalBatches: 20, ProbeEvery: 10,
	}
}

// on is the config of a run on the text.
func (c Config) on(text *Corpus) Config {
	c.Data, c.DataSHA256, c.Vocabulary = text.Path, text.SHA256, string(text.Vocabulary)
	return c
}

// Validate finds the first setting that cannot be.
func (c Config) Validate() error {
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
			return fmt.Errorf("train: %s is %d, want %d or more", s.name, s.v, s.min)
		}
	}
	const maxTokens = 1 << 24
	if c.Context > 0 && c.Batch > maxTokens/c.Context {
		return fmt.Errorf("train: batch %d of context %d is more than %d tokens", c.Batch, c.Context, maxTokens)
	}
	return cmp.Or(
		within("lr", c.LR, 0, 1e3),
		within("min-lr", c.MinLR, 0, 1e3),
		lessThanOne("beta1", c.Beta1),
		lessThanOne("beta2", c.Beta2),
		within("weight-decay", c.WeightDecay, 0, 1e3),
		c.validateClip(),
	)
}

func (c Config) validateClip() error {
	if c.Clip >= 0 && c.Clip <= math.MaxFloat64 {
		return nil
	}
	return fmt.Errorf("train: clip is %g, want a number above 0, or 0 to clip nothing", c.Clip)
}
