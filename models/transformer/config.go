package transformer

import (
	"fmt"
	"slices"

	"gorgonia.org/tensor"
)

// Config is a model's size and kind.
type Config struct {
	Vocab    int // different tokens
	Context  int // tokens of the longest sequence
	Layers   int // blocks
	Heads    int // of attention; they divide the channels
	Channels int // features of a token

	Norm      Norm
	Placement Placement    // of the norms, Pre if not set
	GELU      GELU         // of the MLP, Tanh if not set
	QKNorm    bool         // normalize each head's queries and keys
	Bias      bool         // of linear layers and norms, where the norm can have one
	Dtype     tensor.Dtype // float32 if not set
	Seed      uint64       // of the initial weights
}

// GELU is the form of the activation.
type GELU string

const (
	Tanh  GELU = "tanh"  // GPT-2's: x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³)))
	Exact GELU = "exact" // nanoGPT's, torch.nn.GELU(): x/2·(1 + erf(x/√2))
)

// GELUs are the forms there are.
var GELUs = []GELU{Tanh, Exact}

// maxParameters is above what one machine trains, GPT-2's largest model; beyond it
// a size is a slip.
const maxParameters = 2e9

// maxLayers is above the deepest model that anyone trains. Blocks of one channel have few
// parameters, but each takes time and memory of its own.
const maxLayers = 10_000

// parameters is the number of weights in matrices, nearly all that there are.
func (c Config) parameters() float64 {
	channels := float64(c.Channels)
	return channels * (float64(c.Vocab) + float64(c.Context) + 12*channels*float64(c.Layers))
}

// Validate finds the first thing in the way of building such a model.
func (c Config) Validate() error {
	for _, s := range []struct {
		name string
		v    int
	}{
		{"vocabulary", c.Vocab}, {"context", c.Context}, {"layers", c.Layers}, {"heads", c.Heads}, {"channels", c.Channels},
	} {
		if s.v < 1 {
			return fmt.Errorf("transformer: %s is %d, want 1 or more", s.name, s.v)
		}
	}
	if n := c.parameters(); n > maxParameters {
		return fmt.Errorf("transformer: such a model has %.3g parameters, want at most %.3g", n, maxParameters)
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
		return fmt.Errorf("transformer: the norm %q has none for queries and keys", c.Norm.Name)
	}
	if c.Placement != "" && !slices.Contains(Placements, c.Placement) {
		return fmt.Errorf("transformer: unknown placement %q, want one of %q", c.Placement, Placements)
	}
	if c.GELU != "" && !slices.Contains(GELUs, c.GELU) {
		return fmt.Errorf("transformer: unknown GELU %q, want one of %q", c.GELU, GELUs)
	}
	return nil
}
