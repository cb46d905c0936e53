package op

import (
	"fmt"
	"runtime"
	"sync"
	"weak"

	G "gorgonia.org/gorgonia"
)

// index answers lookups about the nodes of one graph. It reads each node once, so n lookups on a
// growing graph take time O(n). It holds no nodes, because a node would keep its graph alive.
type index struct {
	mu      sync.Mutex
	seen    int                  // number of nodes in the index
	last    weak.Pointer[G.Node] // the last of them
	lastID  int64
	hashes  map[uint32]struct{}
	inputs  map[string]int    // by name, the position of the first input among the nodes
	numbers map[string]int    // by kind, the first number that may be free
	work    int               // nodes read plus names tried, for tests
	owned   map[int64]*Memory // by the id of an input
}

var indexes sync.Map // from weak.Pointer[G.ExprGraph] to *index

// indexOf returns the graph's index, locked and up to date. The caller unlocks it.
func indexOf(g *G.ExprGraph) *index {
	key := weak.Make(g)
	found, ok := indexes.Load(key)
	if !ok {
		if found, ok = indexes.LoadOrStore(key, new(index)); !ok {
			runtime.AddCleanup(g, func(key weak.Pointer[G.ExprGraph]) { indexes.Delete(key) }, key)
		}
	}
	x := found.(*index)
	x.mu.Lock()
	x.update(g.AllNodes())
	return x
}

// update reads the nodes that have been added. The nodes of a graph have ascending ids, so if the
// last node seen is still at its position, no node before it has been removed.
func (x *index) update(nodes G.Nodes) {
	if x.seen > 0 && (len(nodes) < x.seen || nodes[x.seen-1] != x.last.Value() || nodes[x.seen-1].ID() != x.lastID) {
		x.forget()
	}
	if x.hashes == nil {
		x.hashes, x.inputs, x.numbers = make(map[uint32]struct{}), make(map[string]int), make(map[string]int)
	}
	if len(nodes) == x.seen {
		return
	}
	for i, n := range nodes[x.seen:] {
		x.hashes[n.Hashcode()] = struct{}{}
		if n.Op() != nil {
			continue
		}
		if _, ok := x.inputs[n.Name()]; !ok {
			x.inputs[n.Name()] = x.seen + i
		}
	}
	x.work += len(nodes) - x.seen
	x.seen = len(nodes)
	last := nodes[x.seen-1]
	x.last, x.lastID = weak.Make(last), last.ID()
}

func (x *index) forget() { x.seen, x.hashes = 0, nil }

// input returns the first input node with this name, or nil if there is none.
func (x *index) input(g *G.ExprGraph, name string) *G.Node {
	i, ok := x.inputs[name]
	if !ok {
		return nil
	}
	if n := g.AllNodes()[i]; n.Name() == name {
		return n
	}
	x.forget() // the node has been renamed
	x.update(g.AllNodes())
	return x.input(g, name)
}

// hashTaken reports whether a node of the graph has this hash.
func hashTaken(g *G.ExprGraph, hash uint32) bool {
	x := indexOf(g)
	defer x.mu.Unlock()
	_, taken := x.hashes[hash]
	return taken
}

// Input returns the graph's first input node with this name, or nil if there is none.
func Input(g *G.ExprGraph, name string) *G.Node {
	x := indexOf(g)
	defer x.mu.Unlock()
	return x.input(g, name)
}

// FreeName returns the first of kind, kind_1, kind_2, … that, followed by any of the suffixes, is not
// the name of an input on the graph.
func FreeName(g *G.ExprGraph, kind string, suffixes ...string) string {
	x := indexOf(g)
	defer x.mu.Unlock()
	for ; ; x.numbers[kind]++ {
		x.work++
		name := kind
		if n := x.numbers[kind]; n > 0 {
			name = fmt.Sprintf("%s_%d", kind, n)
		}
		if !x.taken(g, name, suffixes) {
			return name
		}
	}
}

func (x *index) taken(g *G.ExprGraph, name string, suffixes []string) bool {
	for _, suffix := range suffixes {
		if x.input(g, name+suffix) != nil {
			return true
		}
	}
	return false
}
