// Package compose builds models in the style of golgi, Gorgonia's collection of layers. A
// layer is a function from gorgonia.Input to gorgonia.Result with a name and a model, which
// is the nodes to train. The norms of gorgonorm are such layers, and can be combined with
// the user's own.
//
// The interface of golgi has three more methods, Type, Shape and Describe, which gorgonorm's
// layers also have.
package compose

import (
	"fmt"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Layer is the interface of layers, including those of gorgonorm.
type Layer interface {
	Model() G.Nodes
	Fwd(x G.Input) G.Result
	Name() string
}

// FC is a fully connected layer, x·w, as a user may write it.
type FC struct {
	name string
	w    *G.Node
}

// NewFC returns an FC on a graph.
func NewFC(g *G.ExprGraph, name string, in, out int, init G.InitWFn) *FC {
	return &FC{name, G.NewMatrix(g, tensor.Float32, G.WithShape(in, out), G.WithName(name+"_W"), G.WithInit(init))}
}

func (l *FC) Model() G.Nodes { return G.Nodes{l.w} }
func (l *FC) Name() string   { return l.name }

// Fwd applies the layer to x, of shape (rows, in). If x is an error, Fwd returns it.
func (l *FC) Fwd(x G.Input) G.Result {
	if err := G.CheckOne(x); err != nil {
		return G.Err(fmt.Errorf("%s: %w", l.name, err))
	}
	return G.LiftResult(G.Mul(x.Node(), l.w))
}

// Seq is a layer that applies layers one after the other.
type Seq []Layer

// Fwd applies all layers. It returns the first error of a layer.
func (s Seq) Fwd(x G.Input) G.Result {
	y := G.LiftResult(x, nil)
	for _, l := range s {
		y = l.Fwd(y)
	}
	return y
}

// Model returns the nodes of all layers.
func (s Seq) Model() (nodes G.Nodes) {
	for _, l := range s {
		nodes = append(nodes, l.Model()...)
	}
	return nodes
}

// Name returns the layers' names in the order of function composition, the first at the
// right.
func (s Seq) Name() string {
	names := make([]string, len(s))
	for i, l := range s {
		names[len(s)-1-i] = l.Name()
	}
	return strings.Join(names, " ∘ ")
}
