package op

import (
	"fmt"
	"sync/atomic"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Memory is where a learnable has its values on all graphs that it is on. Until it is
// shared, the learnable is on one graph and may have its values anywhere.
type Memory struct{ shared atomic.Pointer[location] }

type location struct {
	data any
	at   uintptr // of data
}

// Share makes the place of the node's values the shared memory, or checks that it is, if
// the memory is shared already. Values that are not in row-major order, or are a part of a
// larger tensor, are moved first.
func (m *Memory) Share(n *G.Node) error {
	if m.shared.Load() != nil {
		return m.check(n)
	}
	v := n.Value().(*tensor.Dense)
	if !InOrder(v) || v.DataSize() != v.Shape().TotalSize() {
		v = Clone(v)
		if err := G.Let(n, v); err != nil {
			return err
		}
	}
	m.shared.Store(&location{v.Data(), v.Uintptr()})
	return nil
}

// Rejoin makes the node use the shared memory again, if it has its values elsewhere.
func (m *Memory) Rejoin(n *G.Node) error {
	if m.check(n) == nil {
		return nil
	}
	return G.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(m.shared.Load().data)))
}

// Adopt gives the node its values in the shared memory again, and all placements the
// values that it has now.
func (m *Memory) Adopt(n *G.Node) error {
	if m.check(n) == nil {
		return nil
	}
	v, ok := n.Value().(*tensor.Dense)
	if !ok {
		return fmt.Errorf("%s has no memory: its graph has been unbound", n.Name())
	}
	values := Clone(v)
	if err := m.Rejoin(n); err != nil {
		return err
	}
	Copy(n.Value().(*tensor.Dense), values)
	return nil
}

// check refuses a node that has its values elsewhere: gorgonia.Let and gob give a node
// other memory, and a solver would then train one placement alone.
func (m *Memory) check(n *G.Node) error {
	l := m.shared.Load()
	if l == nil {
		return nil
	}
	if v := n.Value(); v == nil || v.Uintptr() != l.at {
		return fmt.Errorf("%s has been given other memory than it has on the layer's other graphs, as gorgonia.Let does: "+
			"call Load with the values that it is to have, such as the placement's own State()", n.Name())
	}
	return nil
}

// Own makes the memory that of an input node: operations that are applied to the node from
// then on refuse to run when its values are elsewhere.
func (m *Memory) Own(n *G.Node) {
	x := indexOf(n.Graph())
	defer x.mu.Unlock()
	if x.owned == nil {
		x.owned = make(map[int64]*Memory)
	}
	x.owned[n.ID()] = m
}

// owned are an operation's inputs that have a Memory.
type owned []ownedInput

type ownedInput struct {
	node   *G.Node
	memory *Memory
}

func ownedOf(inputs []*G.Node) (o owned) {
	g := graphOf(inputs)
	if g == nil {
		return nil
	}
	x := indexOf(g)
	defer x.mu.Unlock()
	for _, n := range inputs {
		if m := x.owned[n.ID()]; m != nil && n.Graph() == g {
			o = append(o, ownedInput{n, m})
		}
	}
	return o
}

func (o owned) check() error {
	for _, in := range o {
		if err := in.memory.check(in.node); err != nil {
			return err
		}
	}
	return nil
}
