package layers

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
)

// Grad gives the gradients of a scalar cost with respect to nodes of its graph, as
// nodes that can be part of another cost: a gradient penalty's, or a product with
// the Hessian.
//
//	dx, err := layers.Grad(gorgonia.Must(gorgonia.Sum(y)), x)
//	penalty := gorgonia.Must(gorgonia.Sum(gorgonia.Must(gorgonia.Square(dx[0]))))
//	_, err = gorgonia.Grad(gorgonia.Must(gorgonia.Add(loss, penalty)), weights...)
//
// It is gorgonia.Grad for the inner gradients: gorgonia.Grad (v0.9.18) marks what it
// has differentiated, and a later one passes over that and loses gradients without a
// word. For the last gradient, which solvers are to find, gorgonia.Grad it is.
//
// A gradient has its node's shape. The cost must be a float scalar and depend on each
// of the nodes; the gradients of norms of rows can be differentiated once more,
// and those of other layers are an error, here and in gorgonia.Grad. So is
// gorgonia.Slice on the way here, whose own gradient Gorgonia cannot differentiate.
func Grad(cost *G.Node, wrt ...*G.Node) (_ G.Nodes, err error) {
	defer func() { // some of Gorgonia's operations do
		if r := recover(); r != nil {
			err = fmt.Errorf("layers: Grad: panic: %v", r)
		}
	}()
	if cost == nil || slices.Contains(wrt, nil) {
		return nil, fmt.Errorf("layers: Grad: a node is nil")
	}
	if !cost.IsScalar() {
		return nil, fmt.Errorf("layers: Grad: the cost has shape %v, want a scalar", cost.Shape())
	}
	if cost.Graph() == nil {
		return nil, fmt.Errorf("layers: Grad: the cost stands on no graph")
	}
	var one any
	switch cost.Dtype() {
	case tensor.Float32:
		one = float32(1)
	case tensor.Float64:
		one = 1.0
	default:
		return nil, fmt.Errorf("layers: Grad: the cost is of type %v, want float32 or float64", cost.Dtype())
	}
	b := backpropagation{g: cost.Graph(), wrt: make(map[*G.Node]bool), depends: make(map[*G.Node]bool), terms: make(map[*G.Node]G.Nodes)}
	for _, n := range wrt {
		b.wrt[n] = true
	}
	b.visit(cost)
	b.terms[cost] = G.Nodes{b.g.AddNode(G.NewConstant(one))}
	for _, n := range slices.Backward(b.order) {
		if err := b.pullBack(n); err != nil {
			return nil, fmt.Errorf("layers: Grad: %w", err)
		}
	}
	grads := make(G.Nodes, len(wrt))
	for i, n := range wrt {
		if len(b.terms[n]) == 0 {
			return nil, fmt.Errorf("layers: Grad: the cost does not depend on %q in a way that has a gradient", n.Name())
		}
		grads[i] = b.terms[n][0]
	}
	return grads, nil
}

// backpropagation is a reverse pass over a graph under way.
type backpropagation struct {
	g       *G.ExprGraph
	wrt     map[*G.Node]bool
	depends map[*G.Node]bool    // on one of wrt, through operations with gradients
	order   G.Nodes             // those that do, operands first
	terms   map[*G.Node]G.Nodes // of their gradients; one once it is their turn
}

func (b *backpropagation) visit(n *G.Node) bool {
	if d, ok := b.depends[n]; ok {
		return d
	}
	depends := b.wrt[n]
	operands, wrt := op.Operands(n)
	for i, c := range operands {
		if wrt[i] && b.visit(c) {
			depends = true
		}
	}
	b.depends[n] = depends
	if depends {
		b.order = append(b.order, n)
	}
	return depends
}

// pullBack adds the node's gradient up, all of whose terms are there, and hands it
// on to the operands.
func (b *backpropagation) pullBack(n *G.Node) error {
	if len(b.terms[n]) == 0 {
		return nil
	}
	grad, err := G.ReduceAdd(b.terms[n])
	if err != nil {
		return err
	}
	b.terms[n] = G.Nodes{grad}
	operands, wrt := op.Operands(n)
	if !slices.ContainsFunc(operands, func(c *G.Node) bool { return b.depends[c] }) {
		return nil
	}
	if fmt.Sprintf("%T", n.Op()) == "*gorgonia.sliceOp" {
		return fmt.Errorf("what comes by way of gorgonia.Slice (%q) has no second derivative: Gorgonia would leave it out without a word", n.Name())
	}
	grads, err := n.Op().(G.SDOp).SymDiff(operands, n, grad)
	if err != nil {
		return err
	}
	for i, c := range operands {
		if wrt[i] && b.depends[c] {
			b.terms[c] = append(b.terms[c], grads[i])
		}
	}
	return nil
}
