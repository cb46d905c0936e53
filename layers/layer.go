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

// Layer is what every layer of one input offers. Fwd, Model and Name are the
// form in which Gorgonia's own layers compose.
type Layer interface {
	// Forward applies the layer to x, a node of the graph it stands on.
	Forward(x *G.Node) (*G.Node, error)
	// Learnables are the nodes to train, on the layer's graph.
	Learnables() G.Nodes
	// On places the layer on a graph with the same weights and statistics. On a graph
	// where the layer stands already, both placements share the nodes of the learnables. A
	// graph that has another node of a learnable's name is an error.
	On(g *G.ExprGraph, mode Mode) (Layer, error)

	// State is a copy of the learnables' values and of the statistics.
	State() State
	// Load gives the layer, and thereby all its placements, the values of a state,
	// whose names, shapes and types must be the layer's own: if any is not, that is
	// an error that names them all, and nothing is changed. No graph that the layer
	// stands on may run meanwhile.
	Load(State) error

	// Fwd is Forward for anything that holds one node.
	Fwd(x G.Input) G.Result
	// Model is Learnables.
	Model() G.Nodes
	// Name is the name given or made when the layer was.
	Name() string
}

// Mode says what a graph is for.
type Mode int

const (
	Training   Mode = iota // statistics come from the batch, running ones are updated
	Evaluation             // running statistics are used and left alone
)

// module is what layers have in common: a name and learnables on a graph.
type module struct {
	kind, name string
	dtype      tensor.Dtype
	g          *G.ExprGraph
	learnables G.Nodes
	memory     []*op.Memory // of each learnable, shared by all placements
	buffers    []buffer
	biasOnly   bool // a norm without γ
}

// suffixes are what learnables' names end with.
var suffixes = []string{".weight", ".bias", ".alpha", ".shift"}

// newModule names a layer on its graph: kind, kind_1, … unless an option has.
func newModule(kind string, g *G.ExprGraph, c config) (module, error) {
	m := module{kind: kind, name: c.name, dtype: c.dtype, g: g}
	if g == nil {
		return m, m.errorf("the graph is nil")
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
	return m, m.free()
}

// free refuses a name that the graph has: Gorgonia would silently take two inputs
// of one name and shape for one.
func (m *module) free() error {
	if node := m.taken(); node != "" {
		return m.errorf("the graph has a node %s already, give the layer another name", node)
	}
	return nil
}

// taken is the node that another layer of that name has on the graph.
func (m *module) taken() string {
	for _, suffix := range suffixes {
		if op.Input(m.g, m.name+suffix) != nil {
			return m.name + suffix
		}
	}
	return ""
}

// Name is the name given with WithName, or made when the layer was.
func (m *module) Name() string { return m.name }

// Learnables are the nodes to train, on the layer's graph, in the order in which its
// constructor names them.
func (m *module) Learnables() G.Nodes { return m.learnables }

// Model is Learnables, under the name that Gorgonia's own layers have for it.
func (m *module) Model() G.Nodes { return m.learnables }

func (m *module) self() *module { return m }

// label starts the layer's errors: its kind, and its name where that says more.
func (m *module) label() string {
	if m.name == "" || strings.HasPrefix(m.name, m.kind) {
		return cmp.Or(m.name, m.kind)
	}
	return m.kind + " " + m.name
}

func (m *module) errorf(format string, args ...any) error {
	return fmt.Errorf("layers: %s: %w", m.label(), fmt.Errorf(format, args...))
}

// learnable is one to be made.
type learnable struct {
	suffix string
	init   G.InitWFn
	shape  tensor.Shape
}

// learn adds a learnable with its first value to the graph.
func (m *module) learn(suffix string, init G.InitWFn, shape ...int) error {
	return m.learnAll(learnable{suffix, init, shape})
}

// learnAll adds learnables with their first values to the graph, or none.
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
		m.place(m.name+"."+l.suffix, values[i], l.shape)
	}
	return nil
}

// initial is a learnable's first value.
func (m *module) initial(l learnable) (_ any, err error) {
	defer func() { // some of Gorgonia's functions do
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

// place adds a learnable that works in the given memory.
func (m *module) place(name string, memory any, shape tensor.Shape) {
	v := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(memory))
	n := G.NewTensor(m.g, m.dtype, shape.Dims(), G.WithShape(shape...), G.WithName(name), G.WithValue(v))
	m.memory[len(m.learnables)].Own(n)
	m.learnables = append(m.learnables, n)
}

// admitted says why the module cannot be placed on another graph.
func (m *module) admitted(g *G.ExprGraph) error {
	if g == nil {
		return m.errorf("the graph is nil")
	}
	if _, ok := m.standing(g); ok {
		return nil
	}
	c := *m
	c.g = g
	return c.free()
}

// standing returns the graph's nodes of the learnables, if the module or another placement
// of it stands there.
func (m *module) standing(g *G.ExprGraph) (G.Nodes, bool) {
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

// on is the module on another graph, with the same memory, or on a graph where it stands,
// with the same nodes. Each graph has tensor headers of its own: UnbindAll on one gives
// its headers away.
func (m *module) on(g *G.ExprGraph, mode Mode) (module, error) {
	c := *m
	c.g, c.learnables = g, nil
	if mode != Training && mode != Evaluation {
		return c, m.errorf("mode is %d, want layers.Training or layers.Evaluation", mode)
	}
	if err := m.admitted(g); err != nil {
		return c, err
	}
	for _, n := range m.learnables {
		if v, ok := n.Value().(*tensor.Dense); !ok || empty(v) {
			return c, m.errorf("%s has no memory: the layer's graph has been unbound", n.Name())
		}
	}
	if nodes, ok := m.standing(g); ok {
		c.learnables = nodes
		return c, nil
	}
	for i, n := range m.learnables {
		if err := m.memory[i].Share(n); err != nil {
			return c, m.errorf("%w", err)
		}
	}
	for _, n := range m.learnables {
		c.place(n.Name(), n.Value().Data(), n.Shape())
	}
	return c, nil
}

// with is x and the learnables, the inputs of most operations.
func (m *module) with(x *G.Node) []*G.Node { return append([]*G.Node{x}, m.learnables...) }

// rows checks x and counts its rows of the given number of features.
func (m *module) rows(x *G.Node, features int) (int, error) {
	if err := m.endsWith(x, tensor.Shape{features}); err != nil {
		return 0, err
	}
	return x.Shape().TotalSize() / features, nil
}

// endsWith checks that x's last dimensions are the given ones.
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

// checkDtype refuses an input of another type than the layer's.
func (m *module) checkDtype(x *G.Node) error {
	switch dt := x.Dtype(); dt {
	case m.dtype:
		return nil
	case tensor.Float32:
		return m.errorf("the input is of type float32, want %v: WithDtype(tensor.Float32) makes a layer for such inputs", m.dtype)
	case tensor.Float64:
		return m.errorf("the input is of type float64, want %v: WithDtype(tensor.Float64) makes a layer for such inputs", m.dtype)
	default:
		return m.errorf("the input is of type %v, want %v", dt, m.dtype)
	}
}

// check refuses an input that is not a node of the layer's graph, if the layer
// stands on one, or has more elements than a tensor may have.
func (m *module) check(x *G.Node) error {
	if x == nil {
		return m.errorf("the input is nil")
	}
	if m.g != nil && x.Graph() != nil && x.Graph() != m.g { // a constant stands nowhere until used
		return m.errorf("the input is a node of another graph: place the layer there with On")
	}
	if _, err := extent.Of("the input", x.Shape()); err != nil {
		return m.errorf("%w", err)
	}
	return nil
}

// fwd is Forward in Gorgonia's composable form.
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

// replaceLast is the shape with another last dimension.
func replaceLast(s tensor.Shape, n int) tensor.Shape {
	c := s.Clone()
	c[len(c)-1] = n
	return c
}
