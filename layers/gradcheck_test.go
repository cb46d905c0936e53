package layers

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
	"gorgonorm/internal/op"
)

// testLayer is a layer on a graph, and its inputs, for gradient checks.
type testLayer struct {
	inputs  G.Nodes // with values
	forward func() (*G.Node, error)
}

// tester is a *testing.T or a *rapid.T.
type tester interface {
	require.TestingT
	Helper()
}

// machines holds Gorgonia's two machines. The first needs gradients in the graph, the second computes
// them from values.
var machines = []string{"tape", "lisp"}

// gradients runs y = layer(inputs) once. It returns y and the gradients of Σ upstream∘y with respect
// to each float input.
func gradients(t *testing.T, machine string, l testLayer, upstream []float64) (y []float64, grads [][]float64) {
	t.Helper()
	out, err := l.forward()
	require.NoError(t, err)
	cost := dot(t, out, upstream)
	var wrt G.Nodes
	for _, in := range l.inputs {
		if in.Dtype() != tensor.Int {
			wrt = append(wrt, in)
		}
	}
	vm := newMachine(t, machine, cost, wrt)
	defer vm.Close()
	require.NoError(t, vm.RunAll())
	return float64s(out.Value()), takeGrads(t, wrt)
}

// takeGrads returns copies of the gradients and sets them to zero, as a solver does, because Gorgonia
// adds to them on every run.
func takeGrads(t *testing.T, nodes G.Nodes) (grads [][]float64) {
	t.Helper()
	for _, n := range nodes {
		g, err := n.Grad()
		require.NoError(t, err)
		grads = append(grads, float64s(g))
		G.ZeroValue(g)
	}
	return grads
}

func newMachine(t tester, machine string, cost *G.Node, wrt G.Nodes) G.VM {
	t.Helper()
	if machine == "lisp" {
		return G.NewLispMachine(cost.Graph())
	}
	_, err := G.Grad(cost, wrt...)
	require.NoError(t, err)
	// Gorgonia sums the gradients of bound nodes, and panics at empty ones.
	bound := slices.DeleteFunc(slices.Clone(wrt), func(n *G.Node) bool { return n.Shape().TotalSize() == 0 })
	if len(bound) == 0 { // without arguments, BindDualValues binds all nodes
		return G.NewTapeMachine(cost.Graph())
	}
	return G.NewTapeMachine(cost.Graph(), G.BindDualValues(bound...))
}

// newSteps applies the layer once and returns a function that runs it on new values of its input and
// of the upstream gradient.
func newSteps(
	t *testing.T, machine string, g *G.ExprGraph, l Layer, dt tensor.Dtype, shape []int,
) func(x, upstream []float64) (y []float64, grads [][]float64) {
	t.Helper()
	x := input(g, "x", dt, make([]float64, tensor.Shape(shape).TotalSize()), shape...)
	y, err := l.Forward(x)
	require.NoError(t, err)
	cost := dot(t, y, make([]float64, y.Shape().TotalSize()))
	wrt := append(G.Nodes{x}, l.Learnables()...)
	vm := newMachine(t, machine, cost, wrt)
	return func(values, upstream []float64) ([]float64, [][]float64) {
		overwrite(x, values)
		overwrite(g.ByName("upstream")[0], upstream)
		if machine == "lisp" { // Reset does not rewind a LispMachine
			vm = newMachine(t, machine, cost, wrt)
		}
		require.NoError(t, vm.RunAll())
		defer vm.Reset()
		return float64s(y.Value()), takeGrads(t, wrt)
	}
}

// overwrite sets an input's values in its own memory.
func overwrite(n *G.Node, values []float64) {
	switch d := n.Value().Data().(type) {
	case []float64:
		copy(d, values)
	case []float32:
		copy(d, as(tensor.Float32, values).([]float32))
	}
}

// dot returns the scalar Σ upstream∘y.
func dot(t tester, y *G.Node, upstream []float64) *G.Node {
	t.Helper()
	if y.IsScalar() {
		if y.Dtype() == tensor.Float32 {
			return G.Must(G.Mul(y, G.NewConstant(float32(upstream[0]))))
		}
		return G.Must(G.Mul(y, G.NewConstant(upstream[0])))
	}
	if len(upstream) == 0 { // Gorgonia's operations panic
		cost, err := op.Apply("Total", tensor.ScalarShape(), total[float32]{}, total[float64]{}, y)
		require.NoError(t, err)
		return cost
	}
	w := tensor.New(tensor.WithShape(y.Shape()...), tensor.WithBacking(as(y.Dtype(), upstream)))
	weights := G.NewTensor(y.Graph(), y.Dtype(), y.Dims(), G.WithShape(y.Shape()...), G.WithName("upstream"),
		G.WithValue(w))
	return G.Must(G.Sum(G.Must(G.HadamardProd(y, weights))))
}

// total returns the sum of all elements.
type total[T op.Float] struct{}

func (total[T]) Forward(out op.Array[T], in []op.Array[T]) error {
	out.Data[0] = 0
	for _, x := range in[0].Data {
		out.Data[0] += x
	}
	return nil
}

func (total[T]) Backward(din, _ []op.Array[T], _, dout op.Array[T]) error {
	for i := range din[0].Data {
		din[0].Data[i] = dout.Data[0]
	}
	return nil
}

// checkGradients compares the gradients of every float input, on both machines, with central
// differences of the forward pass. build returns the layer on a new graph with the given values of
// its inputs.
func checkGradients(t *testing.T, values []any, build func(t *testing.T, g *G.ExprGraph, values []any) testLayer) {
	checkGradientsOn(t, machines, values, build)
}

func checkGradientsOn(t *testing.T, machines []string, values []any,
	build func(t *testing.T, g *G.ExprGraph, values []any) testLayer) {
	rng := rand.New(rand.NewPCG(1, 2))
	varied := build(t, G.NewGraph(), values)
	require.Len(t, varied.inputs, len(values))
	out, err := varied.forward()
	require.NoError(t, err)
	vm := G.NewTapeMachine(out.Graph())
	defer vm.Close()
	forward := func() []float64 {
		for i, v := range values {
			if x, ok := v.([]float64); ok {
				overwrite(varied.inputs[i], x)
			}
		}
		require.NoError(t, vm.RunAll())
		defer vm.Reset()
		return float64s(out.Value())
	}
	upstream := normals(rng, len(forward()), 0, 1)
	cost := func() (s float64) {
		for i, v := range forward() {
			s += v * upstream[i]
		}
		return s
	}
	var want [][]float64
	for _, v := range values {
		x, ok := v.([]float64)
		if !ok {
			continue
		}
		d := make([]float64, len(x))
		for i := range x {
			d[i] = difference(cost, &x[i])
		}
		want = append(want, d)
	}
	for _, machine := range machines {
		t.Run(machine, func(t *testing.T) {
			_, got := gradients(t, machine, build(t, G.NewGraph(), values), upstream)
			require.Len(t, got, len(want))
			for i := range want {
				golden.RequireClose(t, want[i], got[i], golden.Within{Rel: 1e-6, Abs: 1e-9}, "gradient %d", i)
			}
		})
	}
}

// difference returns the derivative of f with respect to *x by central differences with Richardson's
// extrapolation. Its error is of order h⁴, so that h can be large enough for rounding not to matter.
func difference(f func() float64, x *float64) float64 {
	const h = 1e-3
	x0 := *x
	defer func() { *x = x0 }()
	slope := func(h float64) float64 {
		*x = x0 + h
		up := f()
		*x = x0 - h
		return (up - f()) / (2 * h)
	}
	return (4*slope(h/2) - slope(h)) / 3
}

func normals(rng *rand.Rand, n int, mean, std float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = rng.NormFloat64()*std + mean
	}
	return x
}

// as returns the values as a slice of the type.
func as(dt tensor.Dtype, x []float64) any {
	if dt == tensor.Int {
		n := make([]int, len(x))
		for i, v := range x {
			n[i] = int(v)
		}
		return n
	}
	i := -1
	return fill(dt, []int{len(x)}, func() float64 { i++; return x[i] })
}

// float64s returns a copy of a float value.
func float64s(v G.Value) []float64 {
	if v.Shape().TotalSize() == 0 { // Data panics at it
		return nil
	}
	switch d := v.Data().(type) {
	case []float64:
		return append([]float64(nil), d...)
	case []float32:
		x := make([]float64, len(d))
		for i, v := range d {
			x[i] = float64(v)
		}
		return x
	case float64:
		return []float64{d}
	case float32:
		return []float64{float64(d)}
	}
	panic(fmt.Sprintf("not a float value: %T", v.Data()))
}

// input adds an input node with a value, a float tensor or integers.
func input(g *G.ExprGraph, name string, dt tensor.Dtype, values any, shape ...int) *G.Node {
	if f, ok := values.([]float64); ok {
		values = as(dt, f)
	} else {
		dt = tensor.Int
	}
	v := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(values))
	return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(name), G.WithValue(v))
}
