package layers

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/op"
)

// addNorm is AddNorm or its parts.
type addNorm func(norm Layer, x, branch *G.Node) (sum, y *G.Node, err error)

func residualThenNorm(norm Layer, x, branch *G.Node) (sum, y *G.Node, err error) {
	r, err := NewResidual()
	if err != nil {
		return nil, nil, err
	}
	if sum, err = r.Forward(x, branch); err != nil {
		return nil, nil, err
	}
	y, err = norm.Forward(sum)
	return sum, y, err
}

// sumUses are what a cost can be made of.
var sumUses = map[string]func(sum, y *G.Node) G.Nodes{
	"both":          func(sum, y *G.Node) G.Nodes { return G.Nodes{sum, y} },
	"the sum":       func(sum, _ *G.Node) G.Nodes { return G.Nodes{sum} },
	"the norm":      func(_, y *G.Node) G.Nodes { return G.Nodes{y} },
	"the sum twice": func(sum, y *G.Node) G.Nodes { return G.Nodes{sum, y, sum} },
	"a chain":       func(sum, y *G.Node) G.Nodes { return G.Nodes{G.Must(G.HadamardProd(sum, y)), y} },
}

// TestAddNormEqualsItsParts compares values and gradients with those of Residual and the norm, to the bit.
func TestAddNormEqualsItsParts(t *testing.T) {
	t.Parallel()
	for _, norm := range norms {
		for use, of := range sumUses {
			for _, machine := range machines {
				for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
					t.Run(fmt.Sprintf("%s/%s/%s/%v", norm.kind, use, machine, dt), func(t *testing.T) {
						t.Parallel()
						for variant, opts := range norm.variants {
							for _, same := range []bool{false, true} { // x + x
								if use == "the sum" && machine == "lisp" {
									continue // its learnables are then in no gradient
								}
								run := func(add addNorm) [][]float64 {
									return runAddNorm(t, norm, append([]Option{WithDtype(dt)}, opts...), dt, machine, same, of, add)
								}
								want, got := run(residualThenNorm), run(AddNorm)
								require.Len(t, got, len(want))
								for i := range want {
									require.Equal(t, want[i], got[i], "result %d, %s, x + x: %v", i, variant, same)
								}
							}
						}
					})
				}
			}
		}
	}
}

// runAddNorm runs a graph, on a TapeMachine twice with different numbers, and returns the outputs and the gradients with respect to x,
// the branch and the learnables.
func runAddNorm(t *testing.T, norm normSpec, opts []Option, dt tensor.Dtype, machine string, same bool,
	of func(sum, y *G.Node) G.Nodes, add addNorm) (results [][]float64) {
	rng := rand.New(rand.NewPCG(5, 5))
	shape := []int{6, 37}
	n := tensor.Shape(shape).TotalSize()
	g := G.NewGraph()
	l, err := norm.new(g, 37, opts...)
	require.NoError(t, err)
	x := input(g, "x", dt, normals(rng, n, 1, 1), shape...)
	branch, wrt := x, G.Nodes{x}
	if !same {
		branch = input(g, "branch", dt, normals(rng, n, 0, 2), shape...)
		wrt = append(wrt, branch)
	}
	wrt = append(wrt, l.Learnables()...)
	sum, y, err := add(l, x, branch)
	require.NoError(t, err)
	cost := dot(t, of(sum, y)[0], normals(rng, n, 0, 1))
	for _, term := range of(sum, y)[1:] {
		cost = G.Must(G.Add(cost, dot(t, term, normals(rng, n, 0, 1))))
	}
	if used := of(sum, y); len(used) == 1 && used[0] == sum {
		wrt = wrt[:len(wrt)-len(l.Learnables())]
	}
	vm := newMachine(t, machine, cost, wrt)
	defer vm.Close()
	runs := 1
	if machine == "tape" {
		runs = 2
	}
	for range runs {
		require.NoError(t, vm.RunAll())
		for _, used := range of(sum, y) {
			results = append(results, float64s(used.Value()))
		}
		results = append(results, takeGrads(t, wrt)...)
		vm.Reset()
		require.NoError(t, G.Let(x, tensor.New(tensor.WithShape(shape...), tensor.WithBacking(as(dt, normals(rng, n, 0, 1))))))
	}
	return results
}

// TestAddNormOnAClone: a Clone has other nodes and the same operations.
func TestAddNormOnAClone(t *testing.T) {
	t.Parallel()
	var want []float64
	for _, clone := range []bool{false, true} {
		g := G.NewGraph()
		l, err := NewLayerNorm(g, 3, f64)
		require.NoError(t, err)
		sum, y, err := AddNorm(l, input(g, "x", tensor.Float64, ramp(1, 6), 2, 3), input(g, "branch", tensor.Float64, ramp(4, 6), 2, 3))
		require.NoError(t, err)
		cost := G.Must(G.Sum(G.Must(G.HadamardProd(G.Must(G.Square(sum)), y)), 0, 1))
		at := slices.Index(g.AllNodes(), cost)
		if clone {
			g = g.Clone().(*G.ExprGraph)
			cost = g.AllNodes()[at]
		}
		grads, err := G.Grad(cost, op.Input(g, "x"), op.Input(g, "LayerNorm.weight"))
		require.NoError(t, err)
		vm := G.NewTapeMachine(g)
		defer vm.Close()
		require.NoError(t, vm.RunAll())
		got := append(float64s(grads[0].Value()), float64s(grads[1].Value())...)
		if want == nil {
			want = got
		}
		require.Equal(t, want, got)
	}
}

// TestAddNormGradients compares with finite differences.
func TestAddNormGradients(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 9))
	for _, norm := range norms {
		if norm.over != "row" {
			continue
		}
		t.Run(norm.kind, func(t *testing.T) {
			t.Parallel()
			values := []any{normals(rng, 15, 0, 1), normals(rng, 15, 0, 1)}
			checkGradients(t, values, func(t *testing.T, g *G.ExprGraph, values []any) testLayer {
				l, err := norm.new(g, 5, f64)
				require.NoError(t, err)
				inputs := G.Nodes{
					input(g, "x", tensor.Float64, values[0], 3, 5), input(g, "branch", tensor.Float64, values[1], 3, 5),
				}
				return testLayer{inputs, func() (*G.Node, error) {
					sum, y, err := AddNorm(l, inputs[0], inputs[1])
					if err != nil {
						return nil, err
					}
					return G.HadamardProd(sum, y)
				}}
			})
		})
	}
}

func TestAddNormRefusesWhatCannotBeAdded(t *testing.T) {
	t.Parallel()
	g, other := G.NewGraph(), G.NewGraph()
	l, err := NewLayerNorm(g, 3, f64)
	require.NoError(t, err)
	x := input(g, "x", tensor.Float64, ramp(1, 6), 2, 3)
	for want, args := range map[string]struct {
		norm      Layer
		x, branch *G.Node
	}{
		"layers: AddNorm: the norm is nil":                                    {nil, x, x},
		"layers: Residual LayerNorm.residual: the input is nil":               {l, nil, x},
		"layers: Residual LayerNorm.residual: the branch has shape (3), want": {l, x, input(g, "a", tensor.Float64, ramp(1, 3), 3)},
		"the branch is of type float32, want float64":                         {l, x, input(g, "b", tensor.Float32, ramp(1, 6), 2, 3)},
		"another graph": {l, input(other, "x", tensor.Float64, ramp(1, 6), 2, 3), x},
		"layers: LayerNorm: last dimension is 4": {
			l, input(g, "c", tensor.Float64, ramp(1, 8), 2, 4), input(g, "d", tensor.Float64, ramp(1, 8), 2, 4),
		},
	} {
		_, _, err := AddNorm(args.norm, args.x, args.branch)
		require.ErrorContains(t, err, want)
	}
}

// TestAddNormHasNoSecondDerivative: taking one is an error.
func TestAddNormHasNoSecondDerivative(t *testing.T) {
	t.Parallel()
	g := G.NewGraph()
	l, err := NewLayerNorm(g, 3, f64)
	require.NoError(t, err)
	x := input(g, "x", tensor.Float64, ramp(1, 6), 2, 3)
	sum, y, err := AddNorm(l, x, x)
	require.NoError(t, err)
	grads, err := Grad(G.Must(G.Sum(G.Must(G.HadamardProd(sum, y)))), x)
	require.NoError(t, err)
	_, err = G.Grad(G.Must(G.Sum(G.Must(G.Square(grads[0])))), x)
	require.ErrorContains(t, err, "has no second derivative")
}

// TestAddNormOfNoRows expects gradients of 0 for an empty batch.
func TestAddNormOfNoRows(t *testing.T) {
	t.Parallel()
	for _, machine := range machines {
		for _, shape := range [][]int{{0, 3}, {2, 0, 3}} {
			g := G.NewGraph()
			l, err := NewLayerNorm(g, 3, f64)
			require.NoError(t, err)
			x, branch := input(g, "x", tensor.Float64, []float64{}, shape...), input(g, "b", tensor.Float64, []float64{}, shape...)
			sum, y, err := AddNorm(l, x, branch)
			require.NoError(t, err)
			cost := G.Must(G.Add(dot(t, sum, nil), dot(t, y, nil)))
			vm := newMachine(t, machine, cost, append(G.Nodes{x, branch}, l.Learnables()...))
			defer vm.Close()
			require.NoError(t, vm.RunAll(), "%s, %v", machine, shape)
			require.Equal(t, []float64{0, 0, 0}, takeGrads(t, l.Learnables()[:1])[0])
		}
	}
}
