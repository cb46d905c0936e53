package transformer

import (
	"fmt"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
)

// Config is a model's size and kind.
type Config struct {
	Vocab    int // different tokens
	Context  int // tokens of the longest sequence
	Layers   int // blocks
	Heads    int // of attention; they divide the channels
	Channels int // features of a token

	Norm  Norm         // of every block and before the head
	Bias  bool         // of linear layers and norms, where the norm can have one
	Dtype tensor.Dtype // float32 if not set
	Seed  uint64       // of the initial weights
}

// Norm is a kind of normalization layer that a model can be built with.
type Norm struct {
	Name    string
	MinRows int // tokens that a training batch must have
	New     func(g *G.ExprGraph, channels int, bias bool, opts ...layers.Option) (layers.Layer, error)
}

// Norms are the kinds there are.
var Norms = []Norm{
	{"none", 1, func(*G.ExprGraph, int, bool, ...layers.Option) (layers.Layer, error) {
		return layers.NewIdentity()
	}},
	{"batch", 2, func(g *G.ExprGraph, channels int, bias bool, opts ...layers.Option) (layers.Layer, error) {
		return layers.NewBatchNorm(g, channels, biased(bias, opts)...)
	}},
	{"layer", 1, func(g *G.ExprGraph, channels int, bias bool, opts ...layers.Option) (layers.Layer, error) {
		return layers.NewLayerNorm(g, channels, biased(bias, opts)...)
	}},
	{"rms", 1, func(g *G.ExprGraph, channels int, _ bool, opts ...layers.Option) (layers.Layer, error) {
		return layers.NewRMSNorm(g, channels, opts...)
	}},
}

// NormByName finds one of Norms.
func NormByName(name string) (Norm, error) {
	var names []string
	for _, n := range Norms {
		if n.Name == name {
			return n, nil
		}
		names = append(names, n.Name)
	}
	return Norm{}, fmt.Errorf("transformer: unknown norm %q, want one of %q", name, names)
}

func biased(bias bool, opts []layers.Option) []layers.Option {
	if bias {
		return opts
	}
	return append(opts[:len(opts):len(opts)], layers.WithoutBias())
}

// maxParameters is far above what one machine trains; beyond it a size is a slip.
const maxParameters = 1e9

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
	if c.Channels%c.Heads != 0 {
		return fmt.Errorf("transformer: %d heads do not divide %d channels", c.Heads, c.Channels)
	}
	if c.Norm.New == nil {
		return fmt.Errorf("transformer: no norm is chosen, want one of Norms")
	}
	return nil
}
