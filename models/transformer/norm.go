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
	MinRows int // tokens that a training batch must have
	New     func(g *G.ExprGraph, name string, channels int, bias bool, opts ...layers.Option) (layers.Layer, error)
	// NewQK makes the norm of a head's queries or keys.
	NewQK func(g *G.ExprGraph, name string, size int, bias bool, opts ...layers.Option) (layers.RowNorm, error)

	// pointwise kinds take no statistics, and so do not scale up what is small.
	pointwise bool

	// A file of weights that does not name its norm has the first kind whose mark it has,
	// or else the first whose lack it has, or else LayerNorm. Nil is for never.
	mark func(w *weights) bool            // an entry that no other kind has
	lack func(w *weights, bias bool) bool // no entry where the other kinds have one
}

// Norms are the kinds there are: everything that depends on the kind is here. Where a kind
// does not normalize a row, queries and keys have LayerNorm; ScaleNorm's have RMSNorm,
// whose weight tells a file's reader the size of a head. Reports know the names from
// runlog.Norms.
var Norms = []Norm{
	{Name: "none", MinRows: 1, New: none, NewQK: layerNorm,
		lack: func(w *weights, _ bool) bool { return !w.some(normEntry, "") }},
	{Name: "batch", MinRows: 2, New: withBias(layers.NewBatchNorm), NewQK: layerNorm,
		mark: func(w *weights) bool { return w.some(normEntry, ".running_mean") }},
	{Name: "layer", MinRows: 1, New: withBias(layers.NewLayerNorm), NewQK: layerNorm},
	{Name: "rms", MinRows: 1, New: withoutBias(layers.NewRMSNorm), NewQK: rmsNorm,
		lack: func(w *weights, bias bool) bool { return bias && !w.some(normEntry, ".bias") }},
	{Name: "dyt", MinRows: 1, New: withBias(layers.NewDyT), NewQK: layerNorm, pointwise: true,
		mark: func(w *weights) bool { return w.some(normEntry, ".alpha") && !w.some(normEntry, ".shift") }},
	{Name: "derf", MinRows: 1, New: withBias(layers.NewDerf), NewQK: layerNorm, pointwise: true,
		mark: func(w *weights) bool { return w.some(normEntry, ".shift") }},
	{Name: "scale", MinRows: 1, New: withoutBias(layers.NewScaleNorm), NewQK: rmsNorm, mark: (*weights).hasScalarGains},
}

// normEntry is part of the names of norms' entries, except those of queries and keys.
const normEntry = ".ln_"

// hasScalarGains reports whether all norms' weights are one number where a token has several.
func (w *weights) hasScalarGains() bool {
	found := false
	for name := range w.names {
		if strings.Contains(name, normEntry) && strings.HasSuffix(name, ".weight") {
			if t, _ := w.of(name); !slices.Equal(t.Shape, []int{1}) {
				return false
			}
			found = true
		}
	}
	return found && w.dim(wteWeight, 1) != 1
}

// maker makes a layer for that many features.
type maker[L layers.Layer] func(g *G.ExprGraph, features int, opts ...layers.Option) (L, error)

// withBias returns a Norm's New for a layer that has a bias where the model has.
func withBias[L layers.Layer](make maker[L]) func(*G.ExprGraph, string, int, bool, ...layers.Option) (layers.Layer, error) {
	return func(g *G.ExprGraph, name string, channels int, bias bool, opts ...layers.Option) (layers.Layer, error) {
		return make(g, channels, options(name, bias, opts)...)
	}
}

// withoutBias returns a Norm's New for a layer that never has a bias.
func withoutBias[L layers.Layer](make maker[L]) func(*G.ExprGraph, string, int, bool, ...layers.Option) (layers.Layer, error) {
	return func(g *G.ExprGraph, name string, channels int, _ bool, opts ...layers.Option) (layers.Layer, error) {
		return make(g, channels, options(name, true, opts)...)
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

// NormByName returns the one of Norms that has the name.
func NormByName(name string) (Norm, error) {
	i := slices.IndexFunc(Norms, func(n Norm) bool { return n.Name == name })
	if i < 0 {
		return Norm{}, fmt.Errorf("transformer: unknown norm %q, want one of %q", name, NormNames())
	}
	return Norms[i], nil
}

// options adds a layer's name, and that it has no bias, to its options.
func options(name string, bias bool, opts []layers.Option) []layers.Option {
	opts = append(opts[:len(opts):len(opts)], layers.WithName(name))
	if !bias {
		opts = append(opts, layers.WithoutBias())
	}
	return opts
}
