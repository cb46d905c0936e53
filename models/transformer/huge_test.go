package transformer

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/extent"
)

// TestOverflowingSizesAreErrors before memory is allocated for them.
func TestOverflowingSizesAreErrors(t *testing.T) {
	const half = math.MaxInt/2 + 1 // times 2 is negative, times 4 is 0
	parameters := func(c Config) string {
		return fmt.Sprintf("transformer: the model has %.3g parameters, want at most 2e+09", c.parameters())
	}
	for _, c := range []struct {
		change func(*Config)
		want   func(Config) string
	}{
		{func(c *Config) { c.Vocab = math.MaxInt }, parameters},
		{func(c *Config) { c.Vocab = half }, parameters},
		{func(c *Config) { c.Context = math.MaxInt }, parameters},
		{func(c *Config) { c.Channels, c.Heads = half, half }, parameters},
		{func(c *Config) { c.Channels, c.Heads = math.MaxInt, 1 }, parameters},
		{func(c *Config) { c.Vocab, c.Context = math.MaxInt, math.MaxInt }, parameters},
		{func(c *Config) { c.Layers = math.MaxInt }, parameters},
		{func(c *Config) { c.Layers, c.Channels, c.Heads = 100_000_000, 1, 1 }, func(Config) string {
			return "transformer: layers is 100000000, want at most 10000"
		}},
		{func(c *Config) { c.Heads = math.MaxInt }, func(Config) string {
			return fmt.Sprintf("transformer: %d heads do not divide 8 channels", math.MaxInt)
		}},
	} {
		config := tiny("layer")
		c.change(&config)
		_, err := New(G.NewGraph(), config)
		require.EqualError(t, err, c.want(config))
	}
}

// TestOverflowingIdsAreErrors, because there are as many positions and even more logits.
func TestOverflowingIdsAreErrors(t *testing.T) {
	for _, shape := range []tensor.Shape{
		{math.MaxInt/4 + 1, 4}, {extent.Max / 8, 4}, {math.MaxInt, 1}, {extent.Max, 1}, {-1, 4},
	} {
		g := G.NewGraph()
		m, err := New(g, tiny("layer"))
		require.NoError(t, err)
		_, err = m.Logits(G.NewTensor(g, tensor.Int, 2, G.WithShape(shape...), G.WithName("ids")))
		require.ErrorContains(t, err,
			fmt.Sprintf("transformer: the widest activation has shape (%d, %d, 32), want sizes of 0 or more and at "+
				"most %d elements", shape[0], shape[1], extent.Max))
	}
}
