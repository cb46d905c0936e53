package op

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
)

// Twice is a kernel whose gradients have gradients.
type Twice[T Float] interface {
	Kernel[T]
	// Second overwrites ddin and ddout, the gradients of Σ u∘din[i] with respect to in and dout,
	// after Forward has run on the same in. It is called only if dout has at least one element.
	Second(i int, ddin []Array[T], ddout Array[T], in []Array[T], dout, u Array[T]) error
}

var errNoGradient = errors.New("has no gradient")

// newBackward returns the operation that computes all of a kernel's gradients. Its children are the
// forward operation's inputs, its output and the output's gradient. They order it after the forward
// run whose state it uses.
func (f *forward[T]) newBackward(inputs G.Nodes, output, grad *G.Node) (*gradients[T], error) {
	kernel, ok := f.kernel.(Kernel[T])
	if !ok {
		return nil, errNoGradient
	}
	if !grad.Shape().Eq(f.shape) {
		return nil, shapeError("the output's gradient", grad.Shape(), f.shape)
	}
	n := len(inputs)
	children := append(append(G.Nodes{}, inputs...), output, grad)
	b := newGradients(f.label, "backward", inputs, children, func(din, in []Array[T]) error {
		if dout := in[n+1]; len(dout.Data) > 0 {
			return kernel.Backward(din, in[:n], in[n], dout)
		}
		zero(din)
		return nil
	})
	if k, ok := f.kernel.(Twice[T]); ok {
		b.second = func(i int, children G.Nodes, u *G.Node) *gradients[T] {
			wrt := append(append(G.Nodes{}, children[:n]...), children[n+1])
			children = append(append(G.Nodes{}, children...), u)
			return newGradients(f.label, "second backward", wrt, children, func(dd, in []Array[T]) error {
				if dout := in[n+1]; len(dout.Data) > 0 {
					return k.Second(i, dd[:n], dd[n], in[:n], dout, in[n+2])
				}
				zero(dd)
				return nil
			})
		}
	}
	return b, nil
}

func zero[T Float](arrays []Array[T]) {
	for _, a := range arrays {
		clear(a.Data)
	}
}

// checkUndifferentiated returns an error if Gorgonia would silently lose gradients of the nodes: a
// second gorgonia.Grad skips nodes that the first has differentiated, and returns only one term of
// the gradient of an input that the first was with respect to. The counts in uses accumulate over
// several calls.
func checkUndifferentiated(uses map[*G.Node]int, nodes G.Nodes) error {
	var visit func(n *G.Node, seen map[*G.Node]bool) error
	visit = func(n *G.Node, seen map[*G.Node]bool) error {
		if seen[n] {
			return nil
		}
		seen[n] = true
		uses[n]++
		operands, wrt := Operands(n)
		if n.Deriv() != nil && (len(operands) > 0 || uses[n] > 1) {
			return fmt.Errorf("a second gorgonia.Grad would lose the gradient through %q, "+
				"which the first has differentiated: take the first with layers.Grad", n.Name())
		}
		for i, o := range operands {
			if !wrt[i] {
				continue
			}
			if err := visit(o, seen); err != nil {
				return err
			}
		}
		return nil
	}
	for _, n := range nodes {
		if err := visit(n, make(map[*G.Node]bool)); err != nil {
			return err
		}
	}
	return nil
}
