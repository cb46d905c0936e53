package op

import (
	"errors"
	"slices"

	G "gorgonia.org/gorgonia"
)

// gradients is an operation that computes several gradients in one pass. Its node returns the first
// of them. Picks, which depend on it, return the others.
type gradients[T Float] struct {
	base
	wrt      G.Nodes // the nodes with respect to which the results are gradients
	children G.Nodes
	in       reader[T]
	results  []value[T]
	float    []bool // which results exist: integers have no gradient
	first    int
	compute  func(results, in []Array[T]) error

	// second returns the operation that computes the gradients of Σ u∘result[i] with respect to
	// the children, except the last but one. That child is the forward operation's output, which
	// has no gradient here. second is nil if there is no second derivative.
	second func(i int, children G.Nodes, u *G.Node) *gradients[T]
	uses   map[*G.Node]int // how often second has used a node

	arrays []Array[T] // the results' memory, reused
}

func newGradients[T Float](label, role string, wrt, children G.Nodes,
	compute func(results, in []Array[T]) error) *gradients[T] {
	s := &gradients[T]{
		wrt:      wrt,
		children: children,
		in:       newReader[T](children),
		results:  make([]value[T], len(wrt)),
		arrays:   make([]Array[T], len(wrt)),
		first:    -1,
		compute:  compute,
		uses:     make(map[*G.Node]int),
	}
	s.float = newReader[T](wrt).float
	for i, n := range wrt {
		s.results[i].shape = n.Shape()
		if s.float[i] && s.first < 0 {
			s.first = i
		}
	}
	first := wrt[s.first]
	s.base = newBase(label, role, first.Shape(), first.Type(), children)
	return s
}

// apply adds a node for each result. The node of an integer is nil.
func (s *gradients[T]) apply() (G.Nodes, error) {
	first, err := apply(s, s.children)
	if err != nil {
		return nil, err
	}
	nodes := make(G.Nodes, len(s.wrt))
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
func (s *gradients[T]) Do(inputs ...G.Value) (_ G.Value, err error) {
	defer s.guard(&err)
	if err := s.run(inputs); err != nil {
		return nil, err
	}
	return s.results[s.first].value(), nil
}

func (s *gradients[T]) run(inputs []G.Value) error {
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

// DiffWRT reports that every float child has a gradient except the forward operation's output. (If
// this were not an SDOp, or had no gradient, every further Grad on the graph would fail.)
func (s *gradients[T]) DiffWRT(inputs int) []bool {
	wrt := make([]bool, inputs)
	copy(wrt, s.in.float)
	if s.second != nil {
		wrt[len(s.children)-2] = false
	}
	return wrt
}

// SymDiff adds the gradients of the first result, or returns an error if it has none.
func (s *gradients[T]) SymDiff(inputs G.Nodes, _, u *G.Node) (G.Nodes, error) {
	return s.symDiff(s.first, inputs, u)
}

// DoDiff returns an error, because a LispMachine would otherwise silently omit second derivatives.
// Gorgonia's own operations have none there either.
func (s *gradients[T]) DoDiff(G.ExecutionContext, G.Nodes, *G.Node) (err error) {
	defer s.guard(&err)
	return errLisp
}

var (
	errNoSecond = errors.New("has no second derivative")
	errLisp     = errors.New("has no gradient on a LispMachine: use gorgonia.Grad and a TapeMachine")
)

func (s *gradients[T]) symDiff(i int, children G.Nodes, u *G.Node) (_ G.Nodes, err error) {
	defer s.guard(&err)
	if s.second == nil {
		return nil, errNoSecond
	}
	second := s.second(i, children, u)
	if err := checkUndifferentiated(s.uses, second.wrt); err != nil {
		return nil, err
	}
	grads, err := second.apply()
	if err != nil {
		return nil, err
	}
	return slices.Insert(grads, len(children)-2, nil), nil // the output has none
}

// pick returns another result of the operation on which it depends. If that operation can be
// differentiated, the pick also has its children, because the pick's gradients are with respect to
// them.
type pick[T Float] struct {
	base
	from     *gradients[T]
	index    int
	children G.Nodes
}

func newPick[T Float](s *gradients[T], index int, first *G.Node) *pick[T] {
	children := G.Nodes{first}
	if s.second != nil {
		children = append(append(G.Nodes{}, s.children...), first)
	}
	n := s.wrt[index]
	return &pick[T]{
		base:     newBase(s.label, s.role+" of "+n.Name(), n.Shape(), n.Type(), children),
		from:     s,
		index:    index,
		children: children,
	}
}

// Do returns the result that has already been computed.
func (p *pick[T]) Do(...G.Value) (G.Value, error) { return p.from.results[p.index].value(), nil }

// DiffWRT omits the node on which the pick depends, because its value is another result. If nothing
// can be differentiated, DiffWRT reports true, so that Gorgonia calls SymDiff, which returns the
// error.
func (p *pick[T]) DiffWRT(inputs int) []bool {
	if p.from.second == nil {
		return []bool{true}
	}
	return p.from.DiffWRT(inputs)
}

// SymDiff adds the gradients of the result, or returns an error if it has none.
func (p *pick[T]) SymDiff(inputs G.Nodes, _, u *G.Node) (G.Nodes, error) {
	if p.from.second == nil {
		return p.from.symDiff(p.index, inputs, u)
	}
	grads, err := p.from.symDiff(p.index, inputs[:len(inputs)-1], u)
	return append(grads, nil), err
}

// DoDiff returns an error, like that of gradients.
func (p *pick[T]) DoDiff(G.ExecutionContext, G.Nodes, *G.Node) (err error) {
	defer p.guard(&err)
	return errLisp
}
