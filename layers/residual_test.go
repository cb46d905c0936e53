package layers

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

func newResidual(t *testing.T) *Residual {
	t.Helper()
	l, err := NewResidual()
	require.NoError(t, err)
	return l
}

func TestResidualGradients(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	for _, shape := range append(shapes, []int{1, 1}) {
		for _, same := range []bool{false, true} { // x + x
			t.Run(fmt.Sprintf("%v/same=%v", shape, same), func(t *testing.T) {
				n := tensor.Shape(shape).TotalSize()
				values := []any{normals(rng, n, 0, 1), normals(rng, n, 0, 1)}
				if same {
					values = values[:1]
				}
				checkGradients(t, values, func(t *testing.T, g *G.ExprGraph, values []any) testLayer {
					inputs := G.Nodes{input(g, "x", tensor.Float64, values[0], shape...)}
					if !same {
						inputs = append(inputs, input(g, "branch", tensor.Float64, values[1], shape...))
					}
					return testLayer{inputs, func() (*G.Node, error) {
						return newResidual(t).Forward(inputs[0], inputs[len(inputs)-1])
					}}
				})
			})
		}
	}
}

// adder is Residual.Forward or Gorgonia's Add.
type adder func(x, branch *G.Node) (*G.Node, error)

// parts are the building blocks of TestResidualInGraphs.
type parts struct {
	x, z         *G.Node
	add          func(x, branch *G.Node) *G.Node
	norm, linear func(x *G.Node) *G.Node
}

// TestResidualInGraphs puts Residual into graphs whose nodes have one consumer or more. It compares
// the gradients with finite differences, and all values bit for bit with those of Gorgonia's Add.
func TestResidualInGraphs(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(8, 8))
	values := []any{
		normals(rng, 12, 0.3, 1), normals(rng, 12, 0, 1), // x and z
		// weights
		normals(rng, 4, 1, 0.3), normals(rng, 4, 0, 1), normals(rng, 16, 0, 1), normals(rng, 4, 0, 1),
	}
	upstream := normals(rng, 12, 0, 1)
	for name, build := range map[string]func(p parts) *G.Node{
		"block":        func(p parts) *G.Node { return p.add(p.x, p.linear(p.norm(p.x))) },
		"branch first": func(p parts) *G.Node { return p.add(p.linear(p.norm(p.x)), p.x) },
		"branch apart": func(p parts) *G.Node { return p.add(p.norm(p.x), p.linear(p.z)) },
		"two blocks": func(p parts) *G.Node {
			y := p.add(p.x, p.norm(p.x))
			return p.add(y, p.linear(y))
		},
		"two branches of one input": func(p parts) *G.Node { return p.add(p.add(p.x, p.norm(p.x)), p.linear(p.x)) },
		"block in a block": func(p parts) *G.Node {
			h := p.norm(p.x)
			return p.add(p.x, p.add(h, p.linear(h)))
		},
		"sum of sums": func(p parts) *G.Node {
			s := p.add(p.x, p.z)
			return p.add(p.add(s, p.x), p.add(s, s))
		},
		"square of a sum": func(p parts) *G.Node {
			return p.add(G.Must(G.Square(p.add(p.x, p.z))), p.linear(p.x))
		},
	} {
		t.Run(name, func(t *testing.T) {
			residual := newResidual(t).Forward
			checkGradients(t, values, func(t *testing.T, g *G.ExprGraph, values []any) testLayer {
				return residualGraph(t, g, values, residual, build)
			})
			for _, machine := range machines {
				wantY, want := gradients(t, machine, residualGraph(t, G.NewGraph(), values, G.Add, build), upstream)
				y, got := gradients(t, machine, residualGraph(t, G.NewGraph(), values, residual, build), upstream)
				require.Equal(t, wantY, y, machine)
				require.Equal(t, want, got, machine)
			}
		})
	}
}

// residualGraph returns build's node times linear(norm(z)), so that every part is used.
func residualGraph(t *testing.T, g *G.ExprGraph, values []any, add adder, build func(p parts) *G.Node) testLayer {
	x := input(g, "x", tensor.Float64, values[0], 1, 3, 4)
	z := input(g, "z", tensor.Float64, values[1], 1, 3, 4)
	norm, err := NewLayerNorm(g, 4, f64)
	require.NoError(t, err)
	linear, err := NewLinear(g, 4, 4, constant(0), f64)
	require.NoError(t, err)
	learnables := append(norm.Learnables(), linear.Learnables()...)
	for i, w := range learnables {
		overwrite(w, values[2+i].([]float64))
	}
	p := parts{
		x: x, z: z,
		add:    func(x, branch *G.Node) *G.Node { return G.Must(add(x, branch)) },
		norm:   func(x *G.Node) *G.Node { return G.Must(norm.Forward(x)) },
		linear: func(x *G.Node) *G.Node { return G.Must(linear.Forward(x)) },
	}
	return testLayer{append(G.Nodes{x, z}, learnables...), func() (*G.Node, error) {
		return G.HadamardProd(build(p), p.linear(p.norm(z)))
	}}
}

// TestResidualPassesTheGradientOn without an operation and without memory of its own.
func TestResidualPassesTheGradientOn(t *testing.T) {
	t.Parallel()
	g := G.NewGraph()
	x := input(g, "x", tensor.Float32, make([]float64, 4), 4)
	branch := input(g, "branch", tensor.Float32, make([]float64, 4), 4)
	y, err := newResidual(t).Forward(x, branch)
	require.NoError(t, err)
	_, err = G.Grad(dot(t, y, []float64{1, 2, 3, 4}), x, branch)
	require.NoError(t, err)
	require.Same(t, y.Deriv(), x.Deriv())
	require.Same(t, y.Deriv(), branch.Deriv())
}

func TestResidualOfScalars(t *testing.T) {
	t.Parallel()
	for _, machine := range machines {
		g := G.NewGraph()
		x := G.NewScalar(g, tensor.Float64, G.WithName("x"), G.WithValue(2.0))
		branch := G.NewScalar(g, tensor.Float64, G.WithName("branch"), G.WithValue(3.0))
		y, grads := gradients(t, machine, testLayer{G.Nodes{x, branch}, func() (*G.Node, error) {
			return newResidual(t).Forward(G.Must(G.Square(x)), branch)
		}}, []float64{10})
		require.Equal(t, []float64{7}, y)
		require.Equal(t, [][]float64{{40}, {10}}, grads)
	}
}

func TestResidualComposesAndRefuses(t *testing.T) {
	t.Parallel()
	g := G.NewGraph()
	l, err := NewResidual(WithName("h.0"))
	require.NoError(t, err)
	require.Equal(t, "h.0", l.Name())
	require.Empty(t, l.Learnables())
	x := input(g, "x", tensor.Float32, make([]float64, 6), 2, 3)
	require.NoError(t, l.Fwd(G.Nodes{x, x}).Err())
	require.ErrorIs(t, l.Fwd(G.Err(errSample)).Err(), errSample)

	other := input(g, "other", tensor.Float32, make([]float64, 6), 3, 2)
	double := input(g, "double", tensor.Float64, make([]float64, 6), 2, 3)
	ints := input(g, "ints", tensor.Int, make([]int, 6), 2, 3)
	forward := func(x, branch *G.Node) error { return second(l.Forward(x, branch)) }
	for _, c := range []struct {
		err  error
		want string
	}{
		{l.Fwd(x).Err(), "layers: Residual h.0: got 1 nodes, want 2: input and branch"},
		{forward(nil, x), "layers: Residual h.0: the input is nil"},
		{forward(x, nil), "layers: Residual h.0: the input is nil"},
		{forward(x, other), "layers: Residual h.0: the branch has shape (3, 2), want (2, 3) as the input"},
		{forward(x, double), "layers: Residual h.0: the branch is of type float64, want float32 as the input"},
		{forward(x, ints), "layers: Residual h.0: the branch is of type int, want float32 as the input"},
		{forward(ints, ints), "layers: Residual h.0: no input of type float32 or float64"},
		{second(NewResidual(WithoutBias())), "layers: Residual: has no option WithoutBias"},
	} {
		require.EqualError(t, c.err, c.want)
	}
	elsewhere := input(G.NewGraph(), "elsewhere", tensor.Float32, make([]float64, 6), 2, 3)
	require.Error(t, forward(x, elsewhere))
}
