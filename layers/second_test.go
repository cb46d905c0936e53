package layers

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
)

// twice holds the layers that have second derivatives.
var twice = func() map[string]func(g *G.ExprGraph, features int, opts ...Option) (Layer, error) {
	all := make(map[string]func(g *G.ExprGraph, features int, opts ...Option) (Layer, error))
	for _, kind := range kindsWhere(normSpec.differentiableTwice) {
		maps.Copy(all, normOf(kind).builders())
	}
	return all
}()

// TestGradientsOfGradients compares the gradients of each gradient with finite differences of it.
func TestGradientsOfGradients(t *testing.T) {
	t.Parallel()
	for name, build := range twice {
		for _, shape := range [][]int{{5, 7}, {1, 4}, {2, 3, 6}} {
			features := shape[len(shape)-1]
			probe, err := build(G.NewGraph(), features, f64)
			require.NoError(t, err)
			for i := range 1 + len(probe.Learnables()) {
				t.Run(fmt.Sprintf("%s/%v/gradient %d", name, shape, i), func(t *testing.T) {
					t.Parallel()
					rng := rand.New(rand.NewPCG(3, uint64(i)))
					n := tensor.Shape(shape).TotalSize()
					values := []any{normals(rng, n, 0.5, 1.5), normals(rng, n, 0, 1)}
					for _, w := range probe.Learnables() {
						values = append(values, normals(rng, w.Shape().TotalSize(), 0.7, 0.5))
					}
					checkGradientsOn(t, []string{"tape"}, values, func(t *testing.T, g *G.ExprGraph, values []any) testLayer {
						l, err := build(g, features, f64, WithEps(0.1))
						require.NoError(t, err)
						x, dy := input(g, "x", tensor.Float64, values[0], shape...), input(g, "dy", tensor.Float64, values[1], shape...)
						for j, w := range l.Learnables() {
							overwrite(w, values[2+j].([]float64))
						}
						wrt := append(G.Nodes{x}, l.Learnables()...)
						return testLayer{append(G.Nodes{x, dy}, l.Learnables()...), func() (*G.Node, error) {
							y, err := l.Forward(x)
							if err != nil {
								return nil, err
							}
							grads, err := Grad(G.Must(G.Sum(G.Must(G.HadamardProd(y, dy)))), wrt...)
							if err != nil {
								return nil, err
							}
							return grads[i], nil
						}}
					})
				})
			}
		}
	}
}

func TestSecondDerivativesEqualPyTorch(t *testing.T) {
	var f struct {
		Cases []struct {
			Name, Dtype, Norm string
			Eps               float64
			Weight, Bias      *golden.Tensor
			U, V, W           *golden.Tensor
			Ddx, Ddy          golden.Tensor
			Ddweight          *golden.Tensor
			goldenPass
		}
	}
	golden.Read(t, "second.json", &f)
	require.NotEmpty(t, f.Cases)
	for _, c := range f.Cases {
		t.Run(c.Name, func(t *testing.T) {
			dt := dtypes[c.Dtype]
			opts := []Option{WithDtype(dt), WithEps(c.Eps)}
			switch {
			case c.Weight == nil:
				opts = append(opts, WithoutAffine())
			case c.Bias == nil && c.Norm == "layer":
				opts = append(opts, WithoutBias())
			}
			g := G.NewGraph()
			kind := map[string]string{"layer": "LayerNorm", "rms": "RMSNorm"}[c.Norm]
			l, err := twice[kind](g, c.X.Shape[len(c.X.Shape)-1], opts...)
			require.NoError(t, err)
			x, dy := input(g, "x", dt, c.X.Data, c.X.Shape...), input(g, "dy", dt, c.Dy.Data, c.Dy.Shape...)
			if c.Weight != nil {
				setAll(t, l, *c.Weight, c.Bias)
			}
			y, err := l.Forward(x)
			require.NoError(t, err)
			grads, err := Grad(G.Must(G.Sum(G.Must(G.HadamardProd(y, dy)))), append(G.Nodes{x}, l.Learnables()...)...)
			require.NoError(t, err)
			var terms G.Nodes
			for i, u := range []*golden.Tensor{c.U, c.V, c.W} {
				if u != nil {
					n := input(g, fmt.Sprint("u", i), dt, u.Data, u.Shape...)
					terms = append(terms, G.Must(G.Sum(G.Must(G.HadamardProd(grads[i], n)))))
				}
			}
			cost := G.Must(G.ReduceAdd(terms))
			wrt, want := G.Nodes{x, dy}, [][]float64{c.Ddx.Data, c.Ddy.Data}
			if c.Ddweight != nil {
				wrt, want = append(wrt, l.Learnables()[0]), append(want, c.Ddweight.Data)
			}
			vm := newMachine(t, "tape", cost, wrt)
			defer vm.Close()
			for range 2 { // the second run does not depend on memory that the first one has written
				require.NoError(t, vm.RunAll())
				for i, got := range takeGrads(t, wrt) {
					golden.RequireClose(t, want[i], got, tolerance[c.Dtype], "second gradient of %s", wrt[i].Name())
				}
				vm.Reset()
			}
		})
	}
}

// TestGradientPenalty compares the gradients of WGAN-GP's penalty (Gulrajani et al. 2017) with finite
// differences, for a critic with a norm between Gorgonia's own operations.
func TestGradientPenalty(t *testing.T) {
	t.Parallel()
	const rows, in, hidden = 4, 3, 5
	for _, kind := range kindsWhere(normSpec.differentiableTwice) {
		t.Run(kind, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(2, 9))
			values := []any{normals(rng, rows*in, 0, 1), normals(rng, in*hidden, 0, 1), normals(rng, hidden, 0, 1)}
			probe, err := twice[kind](G.NewGraph(), hidden, f64)
			require.NoError(t, err)
			for _, w := range probe.Learnables() {
				values = append(values, normals(rng, w.Shape().TotalSize(), 1, 0.3))
			}
			checkGradientsOn(t, []string{"tape"}, values, func(t *testing.T, g *G.ExprGraph, values []any) testLayer {
				x := input(g, "x", tensor.Float64, values[0], rows, in)
				w1 := input(g, "w1", tensor.Float64, values[1], in, hidden)
				w2 := input(g, "w2", tensor.Float64, values[2], hidden, 1)
				l, err := twice[kind](g, hidden, f64)
				require.NoError(t, err)
				for i, n := range l.Learnables() {
					overwrite(n, values[3+i].([]float64))
				}
				return testLayer{append(G.Nodes{x, w1, w2}, l.Learnables()...), func() (*G.Node, error) {
					h, err := l.Forward(G.Must(G.Mul(x, w1)))
					if err != nil {
						return nil, err
					}
					critic := G.Must(G.Sum(G.Must(G.Mul(G.Must(G.Tanh(h)), w2))))
					dx, err := Grad(critic, x)
					if err != nil {
						return nil, err
					}
					penalty := G.Must(G.Sum(G.Must(G.Square(dx[0]))))
					return G.Must(G.Add(penalty, critic)), nil
				}}
			})
		})
	}
}

func TestLispMachineRefusesSecondDerivatives(t *testing.T) {
	g := G.NewGraph()
	l, err := NewLayerNorm(g, 4, f64)
	require.NoError(t, err)
	x, w := newX(g, 1, 4), input(g, "w", tensor.Float64, []float64{1, 2, 3, 4}, 1, 4)
	y, err := l.Forward(x)
	require.NoError(t, err)
	for _, n := range append(G.Nodes{x}, l.Learnables()...) {
		grads, err := Grad(G.Must(G.Sum(G.Must(G.HadamardProd(y, w)))), n)
		require.NoError(t, err)
		cost := G.Must(G.Sum(G.Must(G.Square(grads[0]))))
		vm := G.NewLispMachine(g.SubgraphRoots(cost))
		require.ErrorContains(t, vm.RunAll(), "has no gradient on a LispMachine: use gorgonia.Grad and a TapeMachine")
		require.NoError(t, vm.Close())
	}
}

// TestGorgoniasGradOfItsOwnGradIsRightOrAnError: it is right if no node has two gradients, as for the
// product of a vector with the Hessian of Σ w∘y in x, and an error if Gorgonia would lose gradients.
func TestGorgoniasGradOfItsOwnGradIsRightOrAnError(t *testing.T) {
	build := func(costOf func(y, w *G.Node) *G.Node, inner func(*G.Node, ...*G.Node) (G.Nodes, error)) ([]float64, error) {
		rng := rand.New(rand.NewPCG(5, 5))
		g := G.NewGraph()
		l, err := NewLayerNorm(g, 4, f64)
		require.NoError(t, err)
		x := newX(g, 3, 4)
		w := input(g, "w", tensor.Float64, normals(rng, 12, 0, 1), 3, 4)
		v := input(g, "v", tensor.Float64, normals(rng, 12, 0, 1), 3, 4)
		y, err := l.Forward(x)
		require.NoError(t, err)
		dx, err := inner(costOf(y, w), x)
		require.NoError(t, err)
		cost := G.Must(G.Sum(G.Must(G.HadamardProd(dx[0], v))))
		hv, err := G.Grad(cost, x)
		if err != nil {
			return nil, err
		}
		vm := G.NewTapeMachine(g)
		defer vm.Close()
		require.NoError(t, vm.RunAll())
		return float64s(hv[0].Value()), nil
	}
	linear := func(y, w *G.Node) *G.Node { return G.Must(G.Sum(G.Must(G.HadamardProd(y, w)))) }
	square := func(y, _ *G.Node) *G.Node { return G.Must(G.Sum(G.Must(G.Square(y)))) }

	want, err := build(linear, Grad)
	require.NoError(t, err)
	got, err := build(linear, G.Grad)
	require.NoError(t, err)
	require.Equal(t, want, got)

	// Two of the norm's gradients in one cost, each with a term in x.
	g := G.NewGraph()
	l, err := NewLayerNorm(g, 4, f64)
	require.NoError(t, err)
	x := newX(g, 3, 4)
	y, err := l.Forward(x)
	require.NoError(t, err)
	w := normals(rand.New(rand.NewPCG(1, 1)), 12, 0, 1)
	grads, err := G.Grad(linear(y, input(g, "w", tensor.Float64, w, 3, 4)), x, l.Learnables()[0])
	require.NoError(t, err)
	_, err = G.Grad(G.Must(G.Add(G.Must(G.Sum(G.Must(G.Square(grads[0])))), G.Must(G.Sum(G.Must(G.Square(grads[1])))))), x)
	require.ErrorContains(t, err, "a second gorgonia.Grad would lose the gradient through")

	// A node in between that the first Grad has differentiated.
	g = G.NewGraph()
	l, err = NewLayerNorm(g, 4, f64)
	require.NoError(t, err)
	x = newX(g, 3, 4)
	y, err = l.Forward(G.Must(G.Tanh(x)))
	require.NoError(t, err)
	grads, err = G.Grad(linear(y, input(g, "w", tensor.Float64, w, 3, 4)), x)
	require.NoError(t, err)
	_, err = G.Grad(G.Must(G.Sum(G.Must(G.Square(grads[0])))), x)
	require.ErrorContains(t, err, "a second gorgonia.Grad would lose the gradient through \"tanh")

	_, err = build(square, Grad)
	require.NoError(t, err)
	_, err = build(square, G.Grad)
	require.ErrorContains(t, err, "a second gorgonia.Grad would lose the gradient through")
	require.ErrorContains(t, err, "take the first with layers.Grad")
}

// TestAMissingSecondDerivativeFailsTheBuild of the graph, not the run.
func TestAMissingSecondDerivativeFailsTheBuild(t *testing.T) {
	for kind, build := range every {
		if kind == "Embedding" || kind == "Identity" || twice[kind] != nil {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			g := G.NewGraph()
			l, err := build(g)
			require.NoError(t, err)
			shape := []int{2, 3, 4}
			if kind == "CausalSelfAttention" {
				shape = []int{2, 3, 12}
			}
			x := input(g, "x", tensor.Float32, make([]float64, tensor.Shape(shape).TotalSize()), shape...)
			y, err := l.Forward(x)
			require.NoError(t, err)
			for _, n := range append(G.Nodes{x}, l.Learnables()...) {
				first, err := Grad(G.Must(G.Sum(G.Must(G.Square(y)))), n)
				require.NoError(t, err)
				again := G.Must(G.Sum(G.Must(G.Square(first[0]))))
				_, err = G.Grad(again, x)
				require.ErrorContains(t, err, "has no second derivative")
				_, err = Grad(again, x)
				require.ErrorContains(t, err, "has no second derivative")
			}
		})
	}
	t.Run("third", func(t *testing.T) {
		g := G.NewGraph()
		l, err := NewLayerNorm(g, 4)
		require.NoError(t, err)
		x := input(g, "x", tensor.Float32, make([]float64, 8), 2, 4)
		y, err := l.Forward(x)
		require.NoError(t, err)
		cost := y
		for range 2 {
			grads, err := Grad(G.Must(G.Sum(G.Must(G.Square(cost)))), x)
			require.NoError(t, err)
			cost = grads[0]
		}
		_, err = Grad(G.Must(G.Sum(cost)), x)
		require.ErrorContains(t, err, "layers: Grad: layers: LayerNorm second backward: has no second derivative")
	})
}

// TestGradRefusesWhatGorgoniaCannotDifferentiate: Gorgonia loses the gradient of a slice's gradient,
// and panics at the operands of SoftMax's gradient.
func TestGradRefusesWhatGorgoniaCannotDifferentiate(t *testing.T) {
	g := G.NewGraph()
	x := input(g, "x", tensor.Float64, []float64{1, 2, 3, 4}, 2, 2)
	_, err := Grad(G.Must(G.Sum(G.Must(G.Cube(G.Must(G.Slice(x, G.S(0))))))), x)
	require.ErrorContains(t, err, "layers: Grad: gorgonia.Slice")

	first, err := Grad(G.Must(G.Sum(G.Must(G.Square(G.Must(G.SoftMax(x)))))), x)
	require.NoError(t, err)
	_, err = Grad(G.Must(G.Sum(G.Must(G.Square(first[0])))), x)
	require.ErrorContains(t, err, "layers: Grad: panic: ")
}

func TestGradRefusesBadArguments(t *testing.T) {
	g := G.NewGraph()
	x := input(g, "x", tensor.Float32, []float64{1, 2}, 2)
	other := input(g, "other", tensor.Float32, []float64{1, 2}, 2)
	n := input(g, "n", tensor.Int, []int{1, 2}, 2)
	sum := G.Must(G.Sum(x))
	for _, c := range []struct {
		err  error
		want string
	}{
		{second(Grad(nil, x)), "layers: Grad: a node is nil"},
		{second(Grad(sum, nil)), "layers: Grad: a node is nil"},
		{second(Grad(G.NewConstant(1.0), x)), "layers: Grad: the cost has no graph"},
		{second(Grad(x, x)), "layers: Grad: the cost has shape (2), want a scalar"},
		{second(Grad(G.Must(G.Sum(n)), n)), "layers: Grad: the cost is of type int, want float32 or float64"},
		{second(Grad(sum, other)), `layers: Grad: the cost does not depend on "other" in a way that has a gradient`},
	} {
		require.EqualError(t, c.err, c.want)
	}
}
