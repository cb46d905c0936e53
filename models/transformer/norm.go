package transformer

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"gorgonorm/layers"
)

// Norm is a kind of normalization layer that a model can be built with.
type Norm struct {
	Name    string
	MinRows int // tokens that a training batch must have
	New     func(g *G.ExprGraph, name string, channels int, bias bool, opts ...layers.Option) (layers.Layer, error)
	// NewQK makes the norm of a head's queries or keys.
	NewQK func(g *G.ExprGraph, name string, size int, bias bool, opts ...layers.Option) (layers.RowNorm, error)

	// pointwise kinds take no statistics, and so do not scale up what is small.
	pointwise bool
}

// Norms are the kinds there are. Where one does not normalize a row, queries and
// keys have LayerNorm.
var Norms = []Norm{
	{"none", 1, func(_ *G.ExprGraph, name string, _ int, _ bool, _ ...layers.Option) (layers.Layer, error) {
		return layers.NewIdentity(layers.WithName(name))
	}, layerNorm, false},
	{"batch", 2, func(g *G.ExprGraph, name string, channels int, bias bool, opts ...layers.Option) (layers.Layer, error) {
		return layers.NewBatchNorm(g, channels, options(name, bias, opts)...)
	}, layerNorm, false},
	{"layer", 1, func(g *G.ExprGraph, name string, channels int, bias bool, opts ...layers.Option) (layers.Layer, error) {
		return layerNorm(g, name, channels, bias, opts...)
	}, layerNorm, false},
	{"rms", 1, func(g *G.ExprGraph, name string, channels int, bias bool, opts ...layers.Option) (layers.Layer, error) {
		return rmsNorm(g, name, channels, bias, opts...)
	}, rmsNorm, false},
	{"dyt", 1, func(g *G.ExprGraph, name string, channels int, bias bool, opts ...layers.Option) (layers.Layer, error) {
		return layers.NewDyT(g, channels, options(name, bias, opts)...)
	}, layerNorm, true},
	{"derf", 1, func(g *G.ExprGraph, name string, channels int, bias bool, opts ...layers.Option) (layers.Layer, error) {
		return layers.NewDerf(g, channels, options(name, bias, opts)...)
	}, layerNorm, true},
}

func layerNorm(g *G.ExprGraph, name string, features int, bias bool, opts ...layers.Option) (layers.RowNorm, error) {
	return layers.NewLayerNorm(g, features, options(name, bias, opts)...)
}

func rmsNorm(g *G.ExprGraph, name string, features int, _ bool, opts ...layers.Option) (layers.RowNorm, error) {
	return layers.NewRMSNorm(g, features, options(name, true, opts)...)
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

// options adds a layer's name, and that it has no bias, to its options.
func options(name string, bias bool, opts []layers.Option) []layers.Option {
	opts = append(opts[:len(opts):len(opts)], layers.WithName(name))
	if !bias {
		opts = append(opts, layers.WithoutBias())
	}
	return opts
}
