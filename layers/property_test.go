package layers

import (
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
	"pgregory.net/rapid"

	"gorgonorm/internal/op"
)

// TestMain fixes rapid's seed, so that a test's result does not depend on when it runs.
// -rapid.seed=0 draws different values each time, -rapid.checks=10000 more of them.
func TestMain(m *testing.M) {
	for name, value := range map[string]string{"rapid.seed": "1", "rapid.checks": "500", "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// TestNormsComputeTheirFormulaOrReturnAnError draws requests. A request fails exactly if the
// documentation forbids it. Otherwise values, gradients and statistics are those of the formula.
func TestNormsComputeTheirFormulaOrReturnAnError(t *testing.T) {
	takes := documentedOptions(t)
	for _, kind := range kindsWhere(anyNorm) {
		t.Run(kind, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				requests(kind, takes[kind]).Draw(t, "request").check(t, takes[kind])
			})
		})
	}
}

// refused reports whether there should be an error, and checks that it is well-formed.
func (r request) refused(t *rapid.T, err error, why string, nodes G.Nodes, before int) bool {
	if why == "" {
		require.NoError(t, err)
		return false
	}
	require.Error(t, err, why)
	require.Regexp(t, `^layers: `+r.kind+`\b.*: .{5,}`, err.Error())
	require.Len(t, nodes, before, "nodes that a refused request left on the graph")
	return true
}

func (r request) check(t *rapid.T, takes []string) {
	g := G.NewGraph()
	var on *G.ExprGraph
	if !r.noGraph {
		on = g
	}
	l, err := r.make(on)
	if r.refused(t, err, r.wrongOptions(takes), g.AllNodes(), 0) {
		return
	}
	rng := rand.New(rand.NewPCG(r.seed, 1))
	state := randomState(l, rng)
	require.NoError(t, l.Load(state))
	require.Equal(t, contents(state), contents(l.State()), "state")
	first := l
	if r.on {
		g = G.NewGraph()
		l, err = l.On(g, r.mode)
		require.NoError(t, err)
	}

	x, mask := r.node(g), r.maskNode(g)
	before := len(g.AllNodes())
	y, err := forward(l, x, mask)
	if r.refused(t, err, r.wrongInput(), g.AllNodes(), before) {
		return
	}
	values := normals(rng, y.Shape().TotalSize(), r.offset, 1)
	upstream := normals(rng, len(values), 0, 1)
	require.NoError(t, G.Let(x, laidOut(r.layout, r.of, values, r.shape)))
	if r.mask != nil {
		require.NoError(t, G.Let(mask, maskValue(r.layout, r.mask, mask.Shape())))
	}
	values = rounded(r.of, values)
	why, machine := r.wrongRun(), r.machine
	if why != "" {
		machine = "tape" // a LispMachine that fails continues in the background
	}
	got, grads, err := run(t, machine, y, append(G.Nodes{x}, l.Learnables()...), upstream)
	if why != "" {
		require.ErrorContains(t, err, "layers: "+r.kind, why)
		require.Equal(t, contents(state), contents(l.State()), "state after a failed run")
		return
	}
	require.NoError(t, err)
	o := r.oracle(values, l, state)
	o.compare(t, r.of, got, grads, rounded(r.of, upstream))
	require.Equal(t, contents(first.State()), contents(l.State()), "placements share their state")
	r.compareState(t, o, state, l.State())
}

func forward(l Layer, x, mask *G.Node) (*G.Node, error) {
	if mask == nil {
		return l.Forward(x)
	}
	return l.(interface {
		ForwardMasked(x, mask *G.Node) (*G.Node, error)
	}).ForwardMasked(x, mask)
}

// run returns y and the gradients of Σ upstream∘y.
func run(
	t *rapid.T, machine string, y *G.Node, wrt G.Nodes, upstream []float64,
) (values []float64, grads [][]float64, err error) {
	vm := newMachine(t, machine, dot(t, y, upstream), wrt)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return nil, nil, err
	}
	for _, n := range wrt {
		d, err := n.Grad()
		require.NoError(t, err)
		grads = append(grads, float64s(op.Clone(d.(*tensor.Dense)))) // x's gradient may have x's layout
	}
	return float64s(y.Value()), grads, nil
}

// maskValue returns the mask in x's layout.
func maskValue(layout string, mask []int, shape tensor.Shape) any {
	if shape.IsScalar() {
		return mask[0]
	}
	values := make([]float64, len(mask))
	for i, m := range mask {
		values[i] = float64(m)
	}
	return laidOut(layout, tensor.Int, values, shape)
}

// node returns x, without a value.
func (r request) node(g *G.ExprGraph) *G.Node {
	switch r.where {
	case "nil":
		return nil
	case "elsewhere":
		g = G.NewGraph()
	}
	return G.NewTensor(g, r.of, len(r.shape), G.WithShape(r.shape...), G.WithName("x"))
}

func (r request) maskNode(g *G.ExprGraph) *G.Node {
	at, ok := r.at()
	if r.mask == nil || !ok {
		return nil
	}
	shape := r.maskShape(at)
	dt := tensor.Int
	switch r.maskBad {
	case "of type float":
		dt = tensor.Float32
	case "of another shape":
		shape = append(shape, 9)
	}
	return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName("mask"))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// laidOut returns a tensor of the values. Its memory has them in another order, or among NaNs that
// are not part of the tensor.
func laidOut(layout string, dt tensor.Dtype, values []float64, shape tensor.Shape) *tensor.Dense {
	rank := len(shape)
	switch {
	case len(values) == 0: // Gorgonia cannot transpose or slice an empty tensor
	case layout == "transposed" && rank > 1:
		backwards := slices.Clone(shape)
		slices.Reverse(backwards)
		moved := make([]float64, len(values))
		for i, v := range values {
			at := 0
			for axis, k := range slices.Backward(place(i, shape)) {
				at = at*shape[axis] + k
			}
			moved[at] = v
		}
		d := tensor.New(tensor.WithShape(backwards...), tensor.WithBacking(as(dt, moved)))
		must(d.T())
		return d
	case layout == "sliced" && rank > 0 && shape[rank-1] > 1:
		n, wide := shape[rank-1], slices.Clone(shape)
		wide[rank-1] += 2
		all := make([]float64, wide.TotalSize())
		for i := range all {
			all[i] = math.NaN()
		}
		for i, v := range values {
			all[i/n*(n+2)+1+i%n] = v
		}
		slices := make([]tensor.Slice, rank)
		slices[rank-1] = G.S(1, n+1)
		view, err := tensor.New(tensor.WithShape(wide...), tensor.WithBacking(as(dt, all))).Slice(slices...)
		must(err)
		return view.(*tensor.Dense)
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(as(dt, values)))
}

// place returns the index of element i on each axis.
func place(i int, shape []int) []int {
	at := make([]int, len(shape))
	for axis, n := range slices.Backward(shape) {
		at[axis], i = i%n, i/n
	}
	return at
}

// rounded returns the values rounded to the type.
func rounded(dt tensor.Dtype, x []float64) []float64 {
	y := slices.Clone(x)
	round(dt, y)
	return y
}

// randomState returns a random state that the layer can load.
func randomState(l Layer, rng *rand.Rand) State {
	s := l.State()
	for name, d := range s {
		switch name {
		case "num_batches_tracked":
			d.Int64s()[0] = rng.Int64N(5)
			continue
		}
		for i, v := range normals(rng, d.Shape().TotalSize(), 0.7, 0.5) {
			if name == "running_var" {
				v = 0.5 + v*v
			}
			if d.Dtype() == tensor.Float32 {
				d.Float32s()[i] = float32(v)
			} else {
				d.Float64s()[i] = v
			}
		}
	}
	return s
}

// contents returns a state's shapes and numbers.
func contents(s State) map[string][2]any {
	c := make(map[string][2]any)
	for name, d := range s {
		c[name] = [2]any{d.Shape().Clone(), d.Data()}
	}
	return c
}

// oracle returns the documentation's formula for the request's x.
func (r request) oracle(x []float64, l Layer, state State) *oracle {
	o := &oracle{x: x}
	learnable := map[string]int{"weight": -1, "bias": -1, "alpha": -1, "shift": -1}
	for k, n := range l.Learnables() {
		o.params = append(o.params, float64s(n.Value()))
		learnable[n.Name()[strings.LastIndex(n.Name(), ".")+1:]] = k
	}
	weight, bias := learnable["weight"], learnable["bias"]
	norm := normOf(r.kind)
	if norm.pointwise() {
		o.of = &function{norm.function.f, norm.function.slope, learnable["alpha"], learnable["shift"]}
	}
	template := statistics{centred: norm.centred, eps: r.documentedEps()}
	plus := 0.0
	if weight < 0 || r.has("WithZeroCentredGain") {
		plus = 1
	}
	at, _ := r.at()
	for i := range x {
		index := place(i, r.shape)
		e := element{
			set: -1, plus: plus, weight: weight, bias: bias,
			at: flat(r.along(index, at), sizesOf(r.shape, at)), out: !r.counts(index, at),
		}
		e.gainAt = e.at
		if norm.scalar {
			e.gainAt = 0
		}
		member, set := true, template
		var key any
		switch norm.over {
		case "row":
			key = flat(r.outside(index, at), r.outside(r.shape, at))
			member = !r.has("WithPartial") || float64(e.at) < r.documentedPartial()*float64(r.features)-1e-9
		case "group":
			size := 1
			if r.kind == "GroupNorm" {
				size = r.features / r.groups
			}
			sample := index[0]
			if r.has("WithUnbatched") {
				sample = 0
			}
			key = [2]int{sample, e.at / size}
			if r.has("WithTracking") && !r.ownStatistics() {
				set.given = true
				set.mean, set.variance = float64s(state["running_mean"])[e.at], float64s(state["running_var"])[e.at]
			}
		case "column":
			where := e.at // index in the running statistics
			if r.has("WithPositions") {
				where += index[1] * r.features
			}
			key = where
			if !r.ownStatistics() {
				set.given = true
				set.mean, set.variance = float64s(state["running_mean"])[where], float64s(state["running_var"])[where]
			}
		}
		o.elements = append(o.elements, e)
		if !e.out && o.of == nil {
			o.use(i, key, member, set)
		}
	}
	for i, e := range o.elements { // a set whose members are all masked out has no statistics
		if e.set >= 0 && r.mask != nil && !o.sets[e.set].given && len(o.sets[e.set].members) == 0 {
			o.elements[i].out = true
		}
	}
	return o
}

// along returns the entries of index for the given axes.
func (r request) along(index, at []int) (part []int) {
	for _, axis := range at {
		part = append(part, index[axis])
	}
	return part
}

// flat is the inverse of place.
func flat(at, shape []int) (i int) {
	for axis, k := range at {
		i = i*shape[axis] + k
	}
	return i
}

func (r request) documentedEps() float64 {
	switch {
	case r.has("WithEps"):
		return r.eps
	case normOf(r.kind).eps != 0:
		return normOf(r.kind).eps
	case r.dtype == tensor.Float64:
		return math.Nextafter(1, 2) - 1
	}
	return float64(math.Nextafter32(1, 2) - 1)
}

func (r request) documentedPartial() float64 {
	if r.has("WithPartial") {
		return r.partial
	}
	return 1
}
