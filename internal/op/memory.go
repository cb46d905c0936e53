package op

import (
	"fmt"
	"sync/atomic"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Memory is the memory of a learnable's values on all graphs to which the learnable belongs. Until
// it is shared, the learnable is on one graph and its values may be anywhere.
type Memory struct{ shared atomic.Pointer[location] }

type location struct {
	data any
	at   uintptr // of data
}

// Share makes the memory of the node's values the shared memory. If the memory is shared already,
// Share returns an error unless the node uses it. Values that are not in row-major order, or are
// part of a larger tensor, are moved first.
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

// Rejoin makes the node use the shared memory again if its values are elsewhere.
func (m *Memory) Rejoin(n *G.Node) error {
	if m.check(n) == nil {
		return nil
	}
	return G.Let(n, tensor.New(tensor.WithShape(n.Shape()...), tensor.WithBacking(m.shared.Load().data)))
}

// Adopt makes the node use the shared memory again and copies the node's current values to it, and
// so to all placements.
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

// check returns an error if the node's values are elsewhere. gorgonia.Let and gob replace a node's
// memory, and a solver would then train only one placement.
func (m *Memory) check(n *G.Node) error {
	l := m.shared.Load()
	if l == nil {
		return nil
	}
	if v := n.Value(); v == nil || v.Uintptr() != l.at {
		return fmt.Errorf("%s no longer shares its memory with the layer's other graphs, as after gorgonia.Let: "+
			"call Load with the intended values, such as the placement's own State()", n.Name())
	}
	return nil
}

// Own registers the memory as that of an input node. Operations that are applied to the node
// afterwards return an error when they run while its values are elsewhere.
func (m *Memory) Own(n *G.Node) {
	x := indexOf(n.Graph())
	defer x.mu.Unlock()
	if x.owned == nil {
		x.owned = make(map[int64]*Memory)
	}
	x.owned[n.ID()] = m
}

// owned lists an operation's inputs that have a Memory.
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
