package op

import (
	"errors"
	"slices"

	G "gorgonia.org/gorgonia"
)

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

	// second is the operation of the gradients of Σ u∘result i with respect to all
	// children but the last but one, the forward operation's output, which has none
	// from here; nil where there is no second derivative.
	second func(i int, children G.Nodes, u *G.Node) *several[T]
	uses   map[*G.Node]int // by second

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
		uses:     make(map[*G.Node]int),
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
	if s.second != nil {
		wrt[len(s.children)-2] = false
	}
	return wrt
}

// SymDiff adds gradients of the first result, or refuses to.
func (s *several[T]) SymDiff(inputs G.Nodes, _, u *G.Node) (G.Nodes, error) {
	return s.symDiff(s.first, inputs, u)
}

// DoDiff refuses second derivatives to a LispMachine, which would otherwise go on
// without them; Gorgonia's own operations have none there.
func (s *several[T]) DoDiff(G.ExecutionContext, G.Nodes, *G.Node) (err error) {
	defer s.guard(&err)
	return errLisp
}

var (
	errNoSecond = errors.New("has no second derivative")
	errLisp     = errors.New("has no gradient on a LispMachine: use gorgonia.Grad and a TapeMachine")
)

func (s *several[T]) symDiff(i int, children G.Nodes, u *G.Node) (_ G.Nodes, err error) {
	defer s.guard(&err)
	if s.second == nil {
		return nil, errNoSecond
	}
	second := s.second(i, children, u)
	if err := once(s.uses, second.of); err != nil {
		return nil, err
	}
	grads, err := second.apply()
	if err != nil {
		return nil, err
	}
	return slices.Insert(grads, len(children)-2, nil), nil // the output has none
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
	if s.second != nil {
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
	if p.from.second == nil {
		return []bool{true}
	}
	return p.from.DiffWRT(inputs)
}

// SymDiff adds gradients of the result, or refuses to.
func (p *pick[T]) SymDiff(inputs G.Nodes, _, u *G.Node) (G.Nodes, error) {
	if p.from.second == nil {
		return p.from.symDiff(p.index, inputs, u)
	}
	grads, err := p.from.symDiff(p.index, inputs[:len(inputs)-1], u)
	return append(grads, nil), err
}

// DoDiff is several's.
func (p *pick[T]) DoDiff(G.ExecutionContext, G.Nodes, *G.Node) (err error) {
	defer p.guard(&err)
	return errLisp
}
