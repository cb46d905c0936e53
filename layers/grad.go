package layers

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
)

// Grad returns the gradients of a scalar cost with respect to nodes of its graph. They are nodes that
// can be part of another cost, for example of a gradient penalty or a product with the Hessian.
//
//	dx, err := layers.Grad(gorgonia.Must(gorgonia.Sum(y)), x)
//	penalty := gorgonia.Must(gorgonia.Sum(gorgonia.Must(gorgonia.Square(dx[0]))))
//	_, err = gorgonia.Grad(gorgonia.Must(gorgonia.Add(loss, penalty)), weights...)
//
// Use it for the inner gradients, because gorgonia.Grad (v0.9.18) marks the nodes that it has
// differentiated, and a later gorgonia.Grad skips marked nodes and silently loses gradients. Use
// gorgonia.Grad for the last gradient, which solvers read.
//
// A gradient has its node's shape. The cost must be a float scalar and depend on each of the nodes.
// The gradients of LayerNorm, RMSNorm and ScaleNorm can be differentiated once more. For other
// layers, Grad and gorgonia.Grad return an error. Grad also returns an error for a gorgonia.Slice
// between cost and node, because Gorgonia cannot differentiate its gradient.
func Grad(cost *G.Node, wrt ...*G.Node) (_ G.Nodes, err error) {
	defer func() { // some of Gorgonia's operations panic
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
		return nil, fmt.Errorf("layers: Grad: the cost has no graph")
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
	b := backpropagation{
		g:       cost.Graph(),
		wrt:     make(map[*G.Node]bool),
		depends: make(map[*G.Node]bool),
		terms:   make(map[*G.Node]G.Nodes),
	}
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

// backpropagation is the state of a reverse pass over a graph.
type backpropagation struct {
	g       *G.ExprGraph
	wrt     map[*G.Node]bool
	depends map[*G.Node]bool    // whether a node depends on one of wrt through differentiable operations
	order   G.Nodes             // the nodes that depend, operands first
	terms   map[*G.Node]G.Nodes // the terms of a node's gradient, after pullBack their sum
}

// visit reports whether n depends on one of wrt, and puts it and its operands in order.
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

// pullBack sums the terms of n's gradient and adds a term to the gradient of each operand. All nodes
// that use n must have been pulled back.
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
		return fmt.Errorf("gorgonia.Slice (%q) has no second derivative: Gorgonia would silently leave it out", n.Name())
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
