// Package compose builds models as golgi, Gorgonia's collection of layers, does:
// everything is a function from gorgonia.Input to gorgonia.Result that knows its
// name and its model, the nodes to train. A norm of gorgonorm is one as it
// stands, beside layers of the user's own.
//
// golgi's interface has three placeholders more, Type, Shape and Describe, which
// gorgonorm's layers have too.
package compose

import (
	"fmt"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Layer is what layers have in common, gorgonorm's among them.
type Layer interface {
	Model() G.Nodes
	Fwd(x G.Input) G.Result
	Name() string
}

// FC is a fully connected layer of the user's own, x·w.
type FC struct {
	name string
	w    *G.Node
}

// NewFC makes an FC on a graph.
func NewFC(g *G.ExprGraph, name string, in, out int, init G.InitWFn) *FC {
	return &FC{name, G.NewMatrix(g, tensor.Float32, G.WithShape(in, out), G.WithName(name+"_W"), G.WithInit(init))}
}

func (l *FC) Model() G.Nodes { return G.Nodes{l.w} }
func (l *FC) Name() string   { return l.name }

// Fwd applies the layer to x, of shape (rows, in). An error of x goes through.
func (l *FC) Fwd(x G.Input) G.Result {
	if err := G.CheckOne(x); err != nil {
		return G.Err(fmt.Errorf("%s: %w", l.name, err))
	}
	return G.LiftResult(G.Mul(x.Node(), l.w))
}

// Seq is layers one after the other, itself a layer.
type Seq []Layer

// Fwd applies all layers. What goes wrong in one goes through those behind it.
func (s Seq) Fwd(x G.Input) G.Result {
	y := G.LiftResult(x, nil)
	for _, l := range s {
		y = l.Fwd(y)
	}
	return y
}

// Model is the nodes of all layers.
func (s Seq) Model() (nodes G.Nodes) {
	for _, l := range s {
		nodes = append(nodes, l.Model()...)
	}
	return nodes
}

// Name is the layers' names as functions compose, the first at the right.
func (s Seq) Name() string {
	names := make([]string, len(s))
	for i, l := range s {
		names[len(s)-1-i] = l.Name()
	}
	return strings.Join(names, " ∘ ")
}
