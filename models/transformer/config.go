package transformer

import (
	"fmt"
	"slices"

	"gorgonia.org/tensor"
)

// Config describes a model: its sizes and its kinds of layers.
type Config struct {
	Vocab    int // number of different tokens
	Context  int // tokens of the longest sequence
	Layers   int // number of blocks
	Heads    int // attention heads; a divisor of Channels
	Channels int // features of a token

	Norm      Norm
	Placement Placement    // position of the norms; the zero value means Pre
	GELU      GELU         // activation of the MLP; the zero value means Tanh
	QKNorm    bool         // normalize each head's queries and keys
	Bias      bool         // biases in linear layers, and in norms that support one
	Dtype     tensor.Dtype // the zero value means float32
	Seed      uint64       // seed of the initial weights
}

// GELU is the form of the activation.
type GELU string

const (
	Tanh  GELU = "tanh"  // GPT-2's: x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))
	Exact GELU = "exact" // nanoGPT's, torch.nn.GELU(): x/2·(1 + erf(x/√2))
)

// GELUs lists all forms.
var GELUs = []GELU{Tanh, Exact}

// maxParameters exceeds GPT-2's largest model and what one machine can train. A larger model is
// a mistake in a size.
const maxParameters = 2e9

// maxLayers exceeds the depth of any real model. Blocks of one channel have few parameters, but
// each takes time and memory.
const maxLayers = 10_000

// parameters returns the number of weights in matrices, which are nearly all weights.
func (c Config) parameters() float64 {
	channels := float64(c.Channels)
	return channels * (float64(c.Vocab) + float64(c.Context) + float64(12*channels*float64(c.Layers)))
}

// Validate returns an error if no model can be built from the config. The error names the first
// invalid field.
func (c Config) Validate() error {
	for _, s := range []struct {
		name string
		v    int
	}{
		{"vocabulary", c.Vocab}, {"context", c.Context}, {"layers", c.Layers}, {"heads", c.Heads},
		{"channels", c.Channels},
	} {
		if s.v < 1 {
			return fmt.Errorf("transformer: %s is %d, want 1 or more", s.name, s.v)
		}
	}
	if n := c.parameters(); n > maxParameters {
		return fmt.Errorf("transformer: the model has %.3g parameters, want at most %.3g", n, maxParameters)
	}
	if c.Layers > maxLayers {
		return fmt.Errorf("transformer: layers is %d, want at most %d", c.Layers, maxLayers)
	}
	if c.Channels%c.Heads != 0 {
		return fmt.Errorf("transformer: %d heads do not divide %d channels", c.Heads, c.Channels)
	}
	if c.Norm.New == nil {
		return fmt.Errorf("transformer: no norm is chosen, want one of Norms")
	}
	if c.QKNorm && c.Norm.NewQK == nil {
		return fmt.Errorf("transformer: norm %q has no NewQK, which Config.QKNorm needs", c.Norm.Name)
	}
	if c.Placement != "" && !slices.Contains(Placements, c.Placement) {
		return fmt.Errorf("transformer: unknown placement %q, want one of %q", c.Placement, Placements)
	}
	if c.GELU != "" && !slices.Contains(GELUs, c.GELU) {
		return fmt.Errorf("transformer: unknown GELU %q, want one of %q", c.GELU, GELUs)
	}
	return nil
}
