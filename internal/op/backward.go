package op

import (
	"errors"
	"fmt"

	G "gorgonia.org/gorgonia"
)

// Twice is a kernel whose gradients have gradients.
type Twice[T Float] interface {
	Kernel[T]
	// Second overwrites ddin and ddout, the gradients of Σ u∘din[i] with respect to
	// in and dout, after Forward has run on the same in. dout has at least one element.
	Second(i int, ddin []Array[T], ddout Array[T], in []Array[T], dout, u Array[T]) error
}

var errNoGradient = errors.New("has no gradient")

// newBackward is the operation of all of a kernel's gradients. Its children are the
// forward operation's inputs, its output and that one's gradient: they order it
// after the forward run whose state it uses.
func (f *forward[T]) newBackward(inputs G.Nodes, output, grad *G.Node) (*several[T], error) {
	kernel, ok := f.kernel.(Kernel[T])
	if !ok {
		return nil, errNoGradient
	}
	if !grad.Shape().Eq(f.shape) {
		return nil, shapeError("the output's gradient", grad.Shape(), f.shape)
	}
	n := len(inputs)
	b := newSeveral(f.label, "backward", inputs, append(append(G.Nodes{}, inputs...), output, grad), func(din, in []Array[T]) error {
		if dout := in[n+1]; len(dout.Data) > 0 {
			return kernel.Backward(din, in[:n], in[n], dout)
		}
		zero(din)
		return nil
	})
	if k, ok := f.kernel.(Twice[T]); ok {
		b.second = func(i int, children G.Nodes, u *G.Node) *several[T] {
			of := append(append(G.Nodes{}, children[:n]...), children[n+1])
			return newSeveral(f.label, "second backward", of, append(append(G.Nodes{}, children...), u), func(dd, in []Array[T]) error {
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

// once refuses nodes of whose gradients Gorgonia would lose some without a word:
// gorgonia.Grad passes over what an earlier one has differentiated, and gives one
// term alone of the gradient of an input that an earlier one was with respect to.
// Uses counts the nodes' over several calls.
func once(uses map[*G.Node]int, nodes G.Nodes) error {
	var visit func(n *G.Node, seen map[*G.Node]bool) error
	visit = func(n *G.Node, seen map[*G.Node]bool) error {
		if seen[n] {
			return nil
		}
		seen[n] = true
		uses[n]++
		operands, wrt := Operands(n)
		if n.Deriv() != nil && (len(operands) > 0 || uses[n] > 1) {
			return fmt.Errorf("a second gorgonia.Grad would lose what comes by way of %q, which the first has differentiated: take the first with layers.Grad", n.Name())
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
