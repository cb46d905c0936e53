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
	// in and dout, after Forward has run on the same in.
	Second(i int, ddin []Array[T], ddout Array[T], in []Array[T], dout, u Array[T]) error
}

// newBackward is the operation of all of a kernel's gradients. Its children are the
// forward operation's inputs, its output and that one's gradient: they order it
// after the forward run whose state it uses.
func (f *forward[T]) newBackward(inputs G.Nodes, output, grad *G.Node) (*several[T], error) {
	if !grad.Shape().Eq(f.shape) {
		return nil, shapeError("the output's gradient", grad.Shape(), f.shape)
	}
	n := len(inputs)
	b := newSeveral(f.label, "backward", inputs, append(append(G.Nodes{}, inputs...), output, grad), func(din, in []Array[T]) error {
		return f.kernel.Backward(din, in[:n], in[n], in[n+1])
	})
	if k, ok := f.kernel.(Twice[T]); ok {
		b.gradients = func(i int, children G.Nodes, u *G.Node) (G.Nodes, error) {
			return second(f.label, k, i, children, u)
		}
	}
	return b, nil
}

// second adds the gradients of Σ u∘din[i] to the graph. Children are the backward
// operation's, the output and its gradient the last two.
func second[T Float](label string, k Twice[T], i int, children G.Nodes, u *G.Node) (G.Nodes, error) {
	if err := differentiable(children); err != nil {
		return nil, err
	}
	n := len(children) - 2
	of := append(append(G.Nodes{}, children[:n]...), children[n+1])
	s := newSeveral(label, "second backward", of, append(append(G.Nodes{}, children...), u), func(dd, in []Array[T]) error {
		return k.Second(i, dd[:n], dd[n], in[:n], in[n+1], in[n+2])
	})
	grads, err := s.apply()
	if err != nil {
		return nil, err
	}
	return append(append(G.Nodes{}, grads[:n]...), nil, grads[n]), nil // the output has none of its own
}

// differentiable refuses nodes of which Gorgonia would lose gradients without a
// word: gorgonia.Grad passes over every node that an earlier one has differentiated.
func differentiable(children G.Nodes) error {
	uses := make(map[*G.Node]int)
	g := children[0].Graph()
	var visit func(n *G.Node, seen map[*G.Node]bool) *G.Node
	visit = func(n *G.Node, seen map[*G.Node]bool) *G.Node {
		if n == nil || seen[n] {
			return nil
		}
		seen[n] = true
		uses[n]++
		below := g.From(n.ID())
		leaf := below == nil || below.Len() == 0
		if n.Deriv() != nil && (!leaf || uses[n] > 1) {
			return n
		}
		for below != nil && below.Next() {
			if found := visit(below.Node().(*G.Node), seen); found != nil {
				return found
			}
		}
		return nil
	}
	for i, c := range children {
		if i == len(children)-2 { // the output, which gets no gradient from here
			continue
		}
		if n := visit(c, make(map[*G.Node]bool)); n != nil {
			return fmt.Errorf("a second gorgonia.Grad would leave out what passes through %q, which the first has differentiated: take the first with layers.Grad", n.Name())
		}
	}
	return nil
}

// several is an operation of several results. Its node returns the first; picks,
// which depend on it, return the others.
type several[T Float] struct {
	base
	of       G.Nodes // what the results are gradients of
	children G.Nodes
	in       reader[T]
	results  []value[T]
	float    []bool // which results there are: integers have none
	first    int
	compute  func(results, in []Array[T]) error

	// gradients of Σ u∘result i with respect to the children, nil where there are none.
	gradients func(i int, children G.Nodes, u *G.Node) (G.Nodes, error)

	arrays []Array[T] // of the results, reused
}

func newSeveral[T Float](label, role string, of, children G.Nodes, compute func(results, in []Array[T]) error) *several[T] {
	s := &several[T]{
		of:       of,
		children: children,
		in:       newReader[T](children),
		results:  make([]value[T], len(of)),
		arrays:   make([]Array[T], len(of)),
		first:    -1,
		compute:  compute,
	}
	s.float = newReader[T](of).float
	for i, n := range of {
		s.results[i].shape = n.Shape()
		if s.float[i] && s.first < 0 {
			s.first = i
		}
	}
	first := of[s.first]
	s.base = newBase(label, role, first.Shape(), first.Type(), children)
	return s
}

// apply adds a node for each result; that of an integer is nil.
func (s *several[T]) apply() (G.Nodes, error) {
	first, err := apply(s, s.children)
	if err != nil {
		return nil, err
	}
	nodes := make(G.Nodes, len(s.of))
	for i := range nodes {
		switch {
		case !s.float[i]:
		case i == s.first:
			nodes[i] = first
		default:
			p := newPick(s, i, first)
			if nodes[i], err = apply(p, p.children); err != nil {
				return nil, err
			}
		}
	}
	return nodes, nil
}

// Do computes all results and returns the first.
func (s *several[T]) Do(inputs ...G.Value) (_ G.Value, err error) {
	defer s.guard(&err)
	if err := s.run(inputs); err != nil {
		return nil, err
	}
	return s.results[s.first].value(), nil
}

func (s *several[T]) run(inputs []G.Value) error {
	in, err := s.in.read(inputs)
	if err != nil {
		return err
	}
	for i := range s.results {
		if s.float[i] {
			s.arrays[i] = s.results[i].array()
		}
	}
	return s.compute(s.arrays, in)
}

// DiffWRT says that every float child has a gradient but the forward operation's
// output. (Were this no SDOp, or without, Gorgonia would refuse every further Grad
// on the graph.)
func (s *several[T]) DiffWRT(inputs int) []bool {
	wrt := make([]bool, inputs)
	copy(wrt, s.in.float)
	if s.gradients != nil {
		wrt[len(s.children)-2] = false
	}
	return wrt
}

// SymDiff adds gradients of the first result, or refuses to.
func (s *several[T]) SymDiff(inputs G.Nodes, _, u *G.Node) (G.Nodes, error) {
	return s.symDiff(s.first, inputs, u)
}

func (s *several[T]) symDiff(i int, children G.Nodes, u *G.Node) (_ G.Nodes, err error) {
	defer s.guard(&err)
	if s.gradients == nil {
		return nil, errors.New("has no second derivative")
	}
	return s.gradients(i, children, u)
}

// pick returns another result of the operation that it depends on. Where that one
// can be differentiated it has its children too, which its own gradients are of.
type pick[T Float] struct {
	base
	from     *several[T]
	index    int
	children G.Nodes
}

func newPick[T Float](s *several[T], index int, first *G.Node) *pick[T] {
	children := G.Nodes{first}
	if s.gradients != nil {
		children = append(append(G.Nodes{}, s.children...), first)
	}
	of := s.of[index]
	return &pick[T]{
		base:     newBase(s.label, s.role+" of "+of.Name(), of.Shape(), of.Type(), children),
		from:     s,
		index:    index,
		children: children,
	}
}

// Do returns what has been computed.
func (p *pick[T]) Do(...G.Value) (G.Value, error) { return p.from.results[p.index].value(), nil }

// DiffWRT leaves the node that it depends on out: that one's value is another
// result. If nothing can be differentiated it is not left out, for SymDiff to say so.
func (p *pick[T]) DiffWRT(inputs int) []bool {
	if p.from.gradients == nil {
		return []bool{true}
	}
	return p.from.DiffWRT(inputs)
}

// SymDiff adds gradients of the result, or refuses to.
func (p *pick[T]) SymDiff(inputs G.Nodes, _, u *G.Node) (G.Nodes, error) {
	if p.from.gradients == nil {
		return p.from.symDiff(p.index, inputs, u)
	}
	grads, err := p.from.symDiff(p.index, inputs[:len(inputs)-1], u)
	return append(grads, nil), err
}
