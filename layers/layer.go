package layers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/extent"
	"gorgonorm/internal/op"
)

// Layer is a layer of one input. Gorgonia's own layers compose by Fwd, Model and Name.
type Layer interface {
	// Forward returns the layer's result for x, a node of the layer's graph.
	Forward(x *G.Node) (*G.Node, error)
	// Learnables returns the nodes to train, on the layer's graph.
	Learnables() G.Nodes
	// On returns the layer on another graph, or once more on its own, with the same learnables
	// and running statistics. Placements on one graph share the learnables' nodes; placements on
	// two graphs share their memory. On returns an error if the graph has another node of a
	// learnable's name.
	On(g *G.ExprGraph, mode Mode) (Layer, error)

	// State returns a copy of the learnables' values and of the running statistics.
	State() State
	// Load copies the values of a state into the layer, and thereby into all its placements.
	// Names, shapes and types must be the layer's own. Otherwise Load changes nothing and
	// returns an error that names every fault. No graph with the layer may run meanwhile.
	Load(State) error

	// Fwd is Forward for any value that holds one node.
	Fwd(x G.Input) G.Result
	// Model returns the Learnables.
	Model() G.Nodes
	// Name returns the layer's name.
	Name() string
}

// Mode is the purpose of a placement.
type Mode int

const (
	Training   Mode = iota // uses the batch's statistics and updates the running ones
	Evaluation             // uses the running statistics and leaves them unchanged
)

// module is the part that all layers have in common: a name and learnables on a graph.
type module struct {
	kind, name string
	dtype      tensor.Dtype
	g          *G.ExprGraph
	mode       Mode
	learnables G.Nodes
	memory     []*op.Memory // of each learnable, shared by all placements
	buffers    []buffer
	biasOnly   bool // a norm with β and without γ
}

// suffixes are the endings of learnables' names.
var suffixes = []string{".weight", ".bias", ".alpha", ".shift"}

// newStateless returns the module of a layer with no learnables and no option except WithName.
func newStateless(kind string, opts []Option) (module, error) {
	c, err := configure(kind, opts)
	return stateless(kind, c), err
}

// stateless returns the module of a layer without learnables, which needs no graph.
func stateless(kind string, c config) module {
	return module{kind: kind, name: cmp.Or(c.name, kind)}
}

// newModule returns the module of a layer on a graph. Without WithName its name is the first
// free one of kind, kind_1, …
func newModule(kind string, g *G.ExprGraph, c config) (module, error) {
	m := module{kind: kind, name: c.name, dtype: c.dtype, g: g}
	if err := op.CheckGraph(g); err != nil {
		return m, m.errorf("the graph %w", err)
	}
	if c.dtype.Type == nil {
		return m, m.errorf("dtype is none, want float32 or float64")
	}
	if c.dtype != tensor.Float32 && c.dtype != tensor.Float64 {
		return m, m.errorf("dtype is %v, want float32 or float64", c.dtype)
	}
	if m.name == "" {
		m.name = op.FreeName(g, kind, suffixes...)
	}
	return m, m.checkName()
}

// checkName returns an error if the graph has a node with a learnable's name, because
// Gorgonia silently merges two inputs of one name, type and shape.
func (m *module) checkName() error {
	for _, suffix := range suffixes {
		if node := m.name + suffix; op.Input(m.g, node) != nil {
			return m.errorf("the graph has a node %s already, give the layer another name", node)
		}
	}
	return nil
}

// Name returns the name given with WithName, or else the name made by the constructor.
func (m *module) Name() string { return m.name }

// Learnables returns the nodes to train, on the layer's graph, in the order in which the
// constructor's documentation lists them.
func (m *module) Learnables() G.Nodes { return m.learnables }

// Model returns the Learnables. Gorgonia's own layers call them so.
func (m *module) Model() G.Nodes { return m.learnables }

// self returns the module that a layer embeds.
func (m *module) self() *module { return m }

// label returns the start of the layer's errors: its kind, and its name unless that begins with
// the kind.
func (m *module) label() string {
	if m.name == "" || strings.HasPrefix(m.name, m.kind) {
		return cmp.Or(m.name, m.kind)
	}
	return m.kind + " " + m.name
}

func (m *module) errorf(format string, args ...any) error {
	return fmt.Errorf("layers: %s: %w", m.label(), fmt.Errorf(format, args...))
}

// learnable describes a learnable to add.
type learnable struct {
	suffix string
	init   G.InitWFn
	shape  tensor.Shape
}

// learn adds a learnable with its initial value to the graph.
func (m *module) learn(suffix string, init G.InitWFn, shape ...int) error {
	return m.learnAll(learnable{suffix, init, shape})
}

// learnAll adds learnables with their initial values to the graph. If one of the values is faulty,
// it adds none.
func (m *module) learnAll(all ...learnable) error {
	values := make([]any, len(all))
	for i, l := range all {
		var err error
		if values[i], err = m.initial(l); err != nil {
			return err
		}
	}
	for i, l := range all {
		m.memory = append(m.memory, new(op.Memory))
		m.addNode(m.name+"."+l.suffix, values[i], l.shape)
	}
	return nil
}

// initial returns a learnable's initial value, a []float32 or []float64.
func (m *module) initial(l learnable) (_ any, err error) {
	defer func() { // some of Gorgonia's InitWFns panic
		if r := recover(); r != nil {
			err = m.errorf("the function for the initial %s panics: %v", l.suffix, r)
		}
	}()
	if l.init == nil {
		return nil, m.errorf("there is no function for the initial %s", l.suffix)
	}
	n, err := extent.Of(l.suffix, l.shape)
	if err != nil {
		return nil, m.errorf("%w", err)
	}
	var ok bool
	values := l.init(m.dtype, l.shape...)
	switch v := values.(type) {
	case []float32:
		ok = m.dtype == tensor.Float32 && len(v) == n
	case []float64:
		ok = m.dtype == tensor.Float64 && len(v) == n
	}
	if !ok {
		return nil, m.errorf("the initial %s is not a []%v of %d elements", l.suffix, m.dtype, n)
	}
	return values, nil
}

// addNode adds the node of a learnable whose value is in the given memory.
func (m *module) addNode(name string, memory any, shape tensor.Shape) {
	v := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(memory))
	n := G.NewTensor(m.g, m.dtype, shape.Dims(), G.WithShape(shape...), G.WithName(name), G.WithValue(v))
	m.memory[len(m.learnables)].Own(n)
	m.learnables = append(m.learnables, n)
}

// checkGraph returns an error if the module cannot be placed on g.
func (m *module) checkGraph(g *G.ExprGraph) error {
	if err := op.CheckGraph(g); err != nil {
		return m.errorf("the graph %w", err)
	}
	if _, ok := m.nodesOn(g); ok {
		return nil
	}
	c := *m
	c.g = g
	return c.checkName()
}

// nodesOn returns g's nodes of the learnables. It reports false if the layer has no placement
// on g.
func (m *module) nodesOn(g *G.ExprGraph) (G.Nodes, bool) {
	if g == m.g {
		return m.learnables, true
	}
	nodes := make(G.Nodes, len(m.learnables))
	for i, n := range m.learnables {
		if nodes[i] = op.Input(g, n.Name()); nodes[i] == nil || !sameMemory(n.Value(), nodes[i].Value()) {
			return nil, false
		}
	}
	return nodes, true
}

func sameMemory(a, b G.Value) bool {
	return a != nil && b != nil && a.Dtype() == b.Dtype() && a.Shape().Eq(b.Shape()) && a.Uintptr() == b.Uintptr()
}

// onGraph returns l, a copy of a layer, placed on a graph: the On of every layer.
func onGraph[L any, P interface {
	*L
	Layer
	self() *module
}](l L, g *G.ExprGraph, mode Mode) (Layer, error) {
	m, err := P(&l).self().on(g, mode)
	if err != nil {
		return nil, err
	}
	*P(&l).self() = m
	return P(&l), nil
}

// on returns the module on another graph, with the same memory, or once more on a graph where it
// has a placement, with the same nodes. Each graph has tensor headers of its own, because
// UnbindAll on one graph returns its headers to Gorgonia's pool.
func (m *module) on(g *G.ExprGraph, mode Mode) (module, error) {
	c := *m
	c.g, c.mode, c.learnables = g, mode, nil
	if mode != Training && mode != Evaluation {
		return c, m.errorf("mode is %d, want layers.Training or layers.Evaluation", mode)
	}
	if err := m.checkGraph(g); err != nil {
		return c, err
	}
	for _, n := range m.learnables {
		if v, ok := n.Value().(*tensor.Dense); !ok || empty(v) {
			return c, m.errorf("%s has no memory: the layer's graph has been unbound", n.Name())
		}
	}
	if nodes, ok := m.nodesOn(g); ok {
		c.learnables = nodes
		return c, nil
	}
	for i, n := range m.learnables {
		if err := m.memory[i].Share(n); err != nil {
			return c, m.errorf("%w", err)
		}
	}
	for _, n := range m.learnables {
		c.addNode(n.Name(), n.Value().Data(), n.Shape())
	}
	return c, nil
}

// with returns x and the learnables, the inputs of most operations.
func (m *module) with(x *G.Node) []*G.Node { return append([]*G.Node{x}, m.learnables...) }

// rows checks x and returns its number of rows of the given number of features.
func (m *module) rows(x *G.Node, features int) (int, error) {
	if err := m.endsWith(x, tensor.Shape{features}); err != nil {
		return 0, err
	}
	return x.Shape().TotalSize() / features, nil
}

// endsWith returns an error unless x's last dimensions are the given ones.
func (m *module) endsWith(x *G.Node, dims tensor.Shape) error {
	if err := m.check(x); err != nil {
		return err
	}
	shape := x.Shape()
	end := shape[max(0, len(shape)-len(dims)):]
	switch {
	case slices.Equal(end, dims):
	case len(dims) == 1 && len(end) == 1:
		return m.errorf("last dimension is %d, want %d (input shape %v)", end[0], dims[0], shape)
	case len(dims) == 1:
		return m.errorf("last dimension is missing, want %d (input shape %v)", dims[0], shape)
	default:
		return m.errorf("last dimensions are %v, want %v (input shape %v)", end, dims, shape)
	}
	return m.checkDtype(x)
}

// checkDtype returns an error if x is of another type than the layer.
func (m *module) checkDtype(x *G.Node) error {
	switch dt := x.Dtype(); dt {
	case m.dtype:
		return nil
	case tensor.Float32:
		return m.errorf("the input is of type float32, want %v: "+
			"WithDtype(tensor.Float32) makes a layer for such inputs", m.dtype)
	case tensor.Float64:
		return m.errorf("the input is of type float64, want %v: "+
			"WithDtype(tensor.Float64) makes a layer for such inputs", m.dtype)
	default:
		return m.errorf("the input is of type %v, want %v", dt, m.dtype)
	}
}

// check returns an error if x is nil, is a node of another graph than the layer's, or has more
// elements than a tensor may have.
func (m *module) check(x *G.Node) error {
	if err := op.CheckNode(x); err != nil {
		return m.errorf("the input %w", err)
	}
	if m.g != nil && x.Graph() != nil && x.Graph() != m.g { // a constant has no graph until it is used
		return m.errorf("the input is a node of another graph: place the layer there with On")
	}
	if _, err := extent.Of("the input", x.Shape()); err != nil {
		return m.errorf("%w", err)
	}
	return nil
}

// fwd returns l.Forward's result in the form by which Gorgonia composes layers.
func fwd(l interface {
	Forward(*G.Node) (*G.Node, error)
}, x G.Input) G.Result {
	if x == nil {
		return G.LiftResult(l.Forward(nil))
	}
	if err := G.CheckOne(x); err != nil {
		return G.Err(err)
	}
	return G.TransformResult(x)(l.Forward(x.Node()))
}

// replaceLast returns the shape with another last dimension.
func replaceLast(s tensor.Shape, n int) tensor.Shape {
	c := s.Clone()
	c[len(c)-1] = n
	return c
}

// inRange returns an error for the first of ids that is not an index of n things.
func inRange(what string, ids []int, n int) error {
	for i, id := range ids {
		if id < 0 || id >= n {
			return fmt.Errorf("%s %d is %d, want it in [0, %d)", what, i, id, n)
		}
	}
	return nil
}
