package transformer

import (
	"fmt"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"

	"gorgonorm/layers"
)

// Norm is a kind of normalization layer that a model can be built with.
type Norm struct {
	Name    string
	MinRows int // minimum number of tokens in a training batch
	New     func(g *G.ExprGraph, name string, channels int, bias bool, opts ...layers.Option) (layers.Layer, error)
	// NewQK returns a norm of a head's queries or keys.
	NewQK func(g *G.ExprGraph, name string, size int, bias bool, opts ...layers.Option) (layers.RowNorm, error)

	// pointwise reports that the norm uses no statistics, so it does not scale small inputs up.
	pointwise bool

	// A file of weights that does not name its norm has the first of Norms that is identified by
	// its tensors, or else the first that is suggested by them, or else LayerNorm. A nil function
	// never applies.
	identifiedBy func(w *weights) bool            // the file has a tensor that only this norm has
	suggestedBy  func(w *weights, bias bool) bool // the file lacks a tensor that only this norm lacks
}

// Norms lists all norms. Everything in this package that depends on the norm is in this list. If
// a norm does not normalize rows, queries and keys have LayerNorm. With ScaleNorm they have
// RMSNorm, because its weight reveals the size of a head to the reader of a file. Reports take
// the names from runlog.Norms.
var Norms = []Norm{
	{Name: "none", MinRows: 1, New: none, NewQK: layerNorm,
		suggestedBy: func(w *weights, _ bool) bool { return !w.has(normEntry, "") }},
	{Name: "batch", MinRows: 2, New: withBias(layers.NewBatchNorm), NewQK: layerNorm,
		identifiedBy: func(w *weights) bool { return w.has(normEntry, ".running_mean") }},
	{Name: "layer", MinRows: 1, New: withBias(layers.NewLayerNorm), NewQK: layerNorm},
	{Name: "rms", MinRows: 1, New: withoutBias(layers.NewRMSNorm), NewQK: rmsNorm,
		suggestedBy: func(w *weights, bias bool) bool { return bias && !w.has(normEntry, ".bias") }},
	{Name: "dyt", MinRows: 1, New: withBias(layers.NewDyT), NewQK: layerNorm, pointwise: true,
		identifiedBy: func(w *weights) bool { return w.has(normEntry, ".alpha") && !w.has(normEntry, ".shift") }},
	{Name: "derf", MinRows: 1, New: withBias(layers.NewDerf), NewQK: layerNorm, pointwise: true,
		identifiedBy: func(w *weights) bool { return w.has(normEntry, ".shift") }},
	{Name: "scale", MinRows: 1, New: withoutBias(layers.NewScaleNorm), NewQK: rmsNorm,
		identifiedBy: (*weights).hasScalarGains},
}

// normEntry is part of the name of every norm's tensor, except the norms of queries and keys.
const normEntry = ".ln_"

// hasScalarGains reports whether every norm's weight is a single number although tokens have
// several channels.
func (w *weights) hasScalarGains() bool {
	found := false
	for name := range w.names {
		if strings.Contains(name, normEntry) && strings.HasSuffix(name, ".weight") {
			if t, _ := w.tensor(name); !slices.Equal(t.Shape, []int{1}) {
				return false
			}
			found = true
		}
	}
	return found && w.dim(wteWeight, 1) != 1
}

type (
	// constructor is a layer's constructor.
	constructor[L layers.Layer] func(g *G.ExprGraph, features int, opts ...layers.Option) (L, error)

	// newNorm is the type of Norm.New.
	newNorm = func(g *G.ExprGraph, name string, channels int, bias bool, opts ...layers.Option) (layers.Layer, error)
)

// withBias returns a Norm.New for a layer that has a bias if the model has biases.
func withBias[L layers.Layer](construct constructor[L]) newNorm {
	return func(g *G.ExprGraph, name string, channels int, bias bool, opts ...layers.Option) (layers.Layer, error) {
		return construct(g, channels, options(name, bias, opts)...)
	}
}

// withoutBias returns a Norm.New for a layer that never has a bias.
func withoutBias[L layers.Layer](construct constructor[L]) newNorm {
	return func(g *G.ExprGraph, name string, channels int, _ bool, opts ...layers.Option) (layers.Layer, error) {
		return construct(g, channels, options(name, true, opts)...)
	}
}

func none(_ *G.ExprGraph, name string, _ int, _ bool, _ ...layers.Option) (layers.Layer, error) {
	return layers.NewIdentity(layers.WithName(name))
}

func layerNorm(g *G.ExprGraph, name string, size int, bias bool, opts ...layers.Option) (layers.RowNorm, error) {
	return layers.NewLayerNorm(g, size, options(name, bias, opts)...)
}

func rmsNorm(g *G.ExprGraph, name string, size int, _ bool, opts ...layers.Option) (layers.RowNorm, error) {
	return layers.NewRMSNorm(g, size, options(name, true, opts)...)
}

// NormNames returns the names of Norms.
func NormNames() []string {
	var names []string
	for _, n := range Norms {
		names = append(names, n.Name)
	}
	return names
}

// NormByName returns the element of Norms with this name.
func NormByName(name string) (Norm, error) {
	i := slices.IndexFunc(Norms, func(n Norm) bool { return n.Name == name })
	if i < 0 {
		return Norm{}, fmt.Errorf("transformer: unknown norm %q, want one of %q", name, NormNames())
	}
	return Norms[i], nil
}

// options appends the options for a layer's name and for having no bias.
func options(name string, bias bool, opts []layers.Option) []layers.Option {
	opts = append(opts[:len(opts):len(opts)], layers.WithName(name))
	if !bias {
		opts = append(opts, layers.WithoutBias())
	}
	return opts
}
