package train

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
	"gorgonorm/runlog"
)

// TestAdamWKeepsItsMomentsOnANewGraph puts a layer on a new graph for each step. With a
// constant gradient, every step of Adam changes a weight by lr.
func TestAdamWKeepsItsMomentsOnANewGraph(t *testing.T) {
	t.Parallel()
	norm, err := layers.NewLayerNorm(G.NewGraph(), 2)
	require.NoError(t, err)
	a := NewAdamW(0.1, 0.9, 0.999, 0)
	for range 4 {
		g := G.NewGraph()
		placed, err := norm.On(g, layers.Training)
		require.NoError(t, err)
		x := G.NewMatrix(g, tensor.Float32, G.WithShape(3, 2), G.WithName("x"),
			G.WithValue(dense([]float32{1, 2, 3, 1, 0, 5}, 3, 2)))
		cost := G.Must(G.Sum(G.Must(placed.Forward(x))))
		_, err = G.Grad(cost, placed.Learnables()...)
		require.NoError(t, err)
		vm := G.NewTapeMachine(g, G.BindDualValues(placed.Learnables()...))
		require.NoError(t, vm.RunAll())
		require.NoError(t, a.Step(G.NodesToValueGrads(placed.Learnables())))
		require.NoError(t, vm.Close())
	}
	require.InDeltaSlice(t, []float64{-0.4, -0.4}, norm.State()["bias"].Data(), 1e-6)
	require.Len(t, a.moments, 2, "of the weight and of the bias, on any graph")
}

// TestStepsAreCountedForEachWeight checks that a weight added later has the bias correction
// of its own first step, which changes it by lr.
func TestStepsAreCountedForEachWeight(t *testing.T) {
	t.Parallel()
	a := NewAdamW(0.1, 0.9, 0.999, 0)
	old := weight{dense([]float64{0}, 1), dense([]float64{1}, 1)}
	late := weight{dense([]float64{0}, 1), dense([]float64{1}, 1)}
	for range 9 {
		old.grad.(*tensor.Dense).Float64s()[0] = 1
		require.NoError(t, a.Step([]G.ValueGrad{old}))
	}
	require.NoError(t, a.Step([]G.ValueGrad{late}))
	require.InDelta(t, -0.1, late.value.(*tensor.Dense).Float64s()[0], 1e-8)
}

// TestScalarsAreLearned minimizes (s−2)² + (u−2)² over two scalars.
func TestScalarsAreLearned(t *testing.T) {
	t.Parallel()
	for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		for name, machine := range map[string]func(g *G.ExprGraph, learnables G.Nodes) G.VM{
			"tape":           func(g *G.ExprGraph, _ G.Nodes) G.VM { return G.NewTapeMachine(g) },
			"tape, bound":    func(g *G.ExprGraph, l G.Nodes) G.VM { return G.NewTapeMachine(g, G.BindDualValues(l...)) },
			"tape, all dual": func(g *G.ExprGraph, _ G.Nodes) G.VM { return G.NewTapeMachine(g, G.BindDualValues()) },
		} {
			t.Run(fmt.Sprint(dt, " ", name), func(t *testing.T) {
				g := G.NewGraph()
				start := map[tensor.Dtype]any{tensor.Float32: float32(-1), tensor.Float64: float64(-1)}[dt]
				two := map[tensor.Dtype]any{tensor.Float32: float32(2), tensor.Float64: float64(2)}[dt]
				s := G.NewScalar(g, dt, G.WithName("s"), G.WithValue(start))
				u := G.NewScalar(g, dt, G.WithName("u"), G.WithValue(start))
				square := func(n *G.Node) *G.Node { return G.Must(G.Square(G.Must(G.Sub(n, G.NewConstant(two))))) }
				cost := G.Must(G.Add(square(s), square(u)))
				learnables := G.Nodes{s, u}
				_, err := G.Grad(cost, learnables...)
				require.NoError(t, err)
				vm := machine(g, learnables)
				defer vm.Close()
				a := NewAdamW(0.1, 0.9, 0.99, 100) // a scalar does not decay
				for i := range 300 {
					require.NoError(t, vm.RunAll())
					norm, err := ClipGradNorm(G.NodesToValueGrads(learnables), 1)
					require.NoError(t, err)
					if i == 0 {
						require.InEpsilon(t, math.Sqrt(72), norm, 1e-6)
					}
					require.NoError(t, a.Step(G.NodesToValueGrads(learnables)))
					vm.Reset()
				}
				for _, n := range learnables {
					require.InDelta(t, 2, float(t, n.Value()), 1e-2)
				}
				require.Len(t, a.moments, 2)
			})
		}
	}
}

func float(t *testing.T, v G.Value) float64 {
	switch v := v.Data().(type) {
	case float32:
		return float64(v)
	case float64:
		return v
	}
	require.Fail(t, "no number")
	return 0
}

func TestATensorMayBeAScalar(t *testing.T) {
	t.Parallel()
	for _, grad := range []G.Value{tensor.New(tensor.FromScalar(3.0)), G.NewF64(3)} {
		value := tensor.New(tensor.FromScalar(7.0))
		require.NoError(t, NewAdamW(0.5, 0.9, 0.99, 1).Step([]G.ValueGrad{weight{value, grad}}))
		require.InDelta(t, 6.5, value.Data(), 1e-8)
		require.Zero(t, grad.Data())
	}
}

// TestAConstantIsNotChanged has a cost s+u, whose gradient is a constant that every graph of
// the program shares.
func TestAConstantIsNotChanged(t *testing.T) {
	t.Parallel()
	for _, bound := range []bool{false, true} {
		g := G.NewGraph()
		s := G.NewScalar(g, tensor.Float64, G.WithName("s"), G.WithValue(5.0))
		u := G.NewScalar(g, tensor.Float64, G.WithName("u"), G.WithValue(1.0))
		_, err := G.Grad(G.Must(G.Add(s, u)), s)
		require.NoError(t, err)
		var opts []G.VMOpt
		if bound {
			opts = append(opts, G.BindDualValues(s))
		}
		vm := G.NewTapeMachine(g, opts...)
		require.NoError(t, vm.RunAll())
		model := G.NodesToValueGrads(G.Nodes{s})
		err = NewAdamW(0.5, 0.9, 0.99, 0).Step(model)
		if bound {
			require.NoError(t, err)
			require.InDelta(t, 4.5, float(t, s.Value()), 1e-8)
		} else {
			const want = "train: s has a gradient that is a constant, which other graphs share: " +
				"make the machine with gorgonia.BindDualValues"
			require.EqualError(t, err, want)
			_, err = ClipGradNorm(model, 0.1)
			require.EqualError(t, err, want)
			require.EqualError(t, ZeroGrad(model), want)
			require.Equal(t, 5.0, float(t, s.Value()))
		}
		require.Equal(t, 1.0, float(t, s.Deriv().Value()), "the constant")
		require.NoError(t, vm.Close())
	}
}

// TestTwoWeightsMayShareAGradient adds two weights. Without BindDualValues, one node is the
// gradient of both.
func TestTwoWeightsMayShareAGradient(t *testing.T) {
	t.Parallel()
	g := G.NewGraph()
	a, b := node(g, "a", 1.0, 2.0), node(g, "b", 2.0, 2.0)
	cost := G.Must(G.Sum(G.Must(G.Square(G.Must(G.Add(a, b)))))) // gradient (6, 8)
	_, err := G.Grad(cost, a, b)
	require.NoError(t, err)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	require.NoError(t, vm.RunAll())
	model := G.NodesToValueGrads(G.Nodes{a, b})

	norm, err := ClipGradNorm(model, math.Sqrt(2))
	require.NoError(t, err)
	require.InEpsilon(t, math.Sqrt(200), norm, 1e-12)
	for _, n := range (G.Nodes{a, b}) {
		d, err := n.Grad()
		require.NoError(t, err)
		require.InDeltaSlice(t, []float64{0.6, 0.8}, d.Data(), 1e-12, "scaled once")
	}
	require.NoError(t, NewAdamW(0.1, 0.9, 0.99, 0).Step(model))
	require.InDeltaSlice(t, []float64{0.9, 1.9}, a.Value().Data(), 1e-7)
	require.InDeltaSlice(t, []float64{1.9, 1.9}, b.Value().Data(), 1e-7)
}

// TestAWeightListedTwiceCountsOnce compares with AdamW's formula for one weight.
func TestAWeightListedTwiceCountsOnce(t *testing.T) {
	t.Parallel()
	w := weight{dense([]float64{1}, 1), dense([]float64{10}, 1)}
	model := []G.ValueGrad{w, w}
	norm, err := ClipGradNorm(model, 5)
	require.NoError(t, err)
	require.Equal(t, 10., norm)
	require.Equal(t, []float64{5}, w.grad.Data())
	a := NewAdamW(0.1, 0.9, 0.99, 0)
	want := descend(a, 1, 5, 2)
	for _, x := range want {
		require.NoError(t, a.Step(model))
		require.InDelta(t, x, w.value.(*tensor.Dense).Float64s()[0], 1e-12)
	}
}

// descend returns the values of a weight after each step of AdamW, which starts at x with
// a gradient of grad for the first step and 0 for the others.
func descend(a *AdamW, x, grad float64, steps int) (path []float64) {
	var m, v float64
	for i := range steps {
		m, v = a.Beta1*m+(1-a.Beta1)*grad, a.Beta2*v+(1-a.Beta2)*grad*grad
		mhat, vhat := m/(1-math.Pow(a.Beta1, float64(i+1))), v/(1-math.Pow(a.Beta2, float64(i+1)))
		x -= a.LR * mhat / (math.Sqrt(vhat) + a.Eps)
		path = append(path, x)
		grad = 0
	}
	return path
}

// TestGradientsOfOneMemoryAreSummed has a weight in two nodes. PyTorch would have one
// gradient with their sum.
func TestGradientsOfOneMemoryAreSummed(t *testing.T) {
	t.Parallel()
	memory := []float64{1}
	share := func(grad float64) weight {
		return weight{tensor.New(tensor.WithShape(1), tensor.WithBacking(memory)), dense([]float64{grad}, 1)}
	}
	x, y := share(7), share(-4)
	model := []G.ValueGrad{x, y}
	norm, err := ClipGradNorm(model, 1)
	require.NoError(t, err)
	require.Equal(t, 3., norm)
	require.InDelta(t, 1, x.grad.(*tensor.Dense).Float64s()[0]+y.grad.(*tensor.Dense).Float64s()[0], 1e-12)
	a := NewAdamW(0.1, 0.9, 0.99, 0)
	for _, want := range descend(a, 1, 1, 3) {
		require.NoError(t, a.Step(model))
		require.InDelta(t, want, memory[0], 1e-12)
	}
	require.Len(t, a.moments, 1)

	g := G.NewGraph() // two nodes that also share a gradient
	vector := func(name string) *G.Node {
		return G.NewVector(g, tensor.Float64, G.WithShape(1), G.WithName(name), G.WithValue(share(0).value))
	}
	p, q := vector("p"), vector("q")
	cost := G.Must(G.Sum(G.Must(G.HadamardProd(G.Must(G.Add(p, q)), node(g, "x", 5.0)))))
	_, err = G.Grad(cost, p, q)
	require.NoError(t, err)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	require.NoError(t, vm.RunAll())
	norm, err = ClipGradNorm(G.NodesToValueGrads(G.Nodes{p, q}), 0)
	require.NoError(t, err)
	require.Equal(t, 10., norm, "of d(5·2w)/dw")
}

func TestOverlappingWeightsAreErrors(t *testing.T) {
	t.Parallel()
	const want = "train: weight 0 shares a part of its memory with another weight, " +
		"of this step or an earlier one: give AdamW weights that do not overlap"
	part := func(d *tensor.Dense, from, to int) G.ValueGrad {
		v, err := d.Slice(G.S(from, to))
		require.NoError(t, err)
		return weight{v, tensor.New(tensor.WithShape(v.Shape()...), tensor.Of(tensor.Float64))}
	}
	var all *tensor.Dense
	for _, at := range [][2]int{{0, 2}, {2, 4}, {1, 3}} {
		all = dense([]float64{1, 2, 3, 4}, 4)
		whole, bad := weight{all, dense([]float64{1, 1, 1, 1}, 4)}, part(all, at[0], at[1])
		a := NewAdamW(0.1, 0.9, 0.99, 0)
		require.ErrorContains(t, a.Step([]G.ValueGrad{whole, bad}), "shares a part of its memory")
		require.Equal(t, []float64{1, 2, 3, 4}, all.Data(), "nothing is changed")
		require.NoError(t, a.Step([]G.ValueGrad{bad}), "and no moments are kept")
		require.EqualError(t, a.Step([]G.ValueGrad{whole}), want)
	}
	halves := []G.ValueGrad{part(all, 0, 2), part(all, 2, 4)}
	a := NewAdamW(0.1, 0.9, 0.99, 0)
	require.NoError(t, a.Step(halves))
	require.NoError(t, a.Step(halves))
}

func TestAWeightWithoutElementsIsSkipped(t *testing.T) {
	t.Parallel()
	none := tensor.New(tensor.WithShape(3, 0), tensor.WithBacking([]float64{}))
	w := weight{dense([]float64{1}, 1), dense([]float64{4}, 1)}
	model := []G.ValueGrad{weight{none, none}, w, weight{value: none}}
	norm, err := ClipGradNorm(model, 2)
	require.NoError(t, err)
	require.Equal(t, 4., norm)
	require.NoError(t, NewAdamW(0.1, 0.9, 0.99, 0).Step(model))
	require.InDelta(t, 0.9, w.value.(*tensor.Dense).Float64s()[0], 1e-8)

	norm, err = ClipGradNorm(nil, 1)
	require.NoError(t, err)
	require.Zero(t, norm)
	require.NoError(t, NewAdamW(0.1, 0.9, 0.99, 0).Step(nil))
}

func TestZeroGrad(t *testing.T) {
	t.Parallel()
	w := weight{dense([]float64{1, 2}, 2), dense([]float64{math.NaN(), 3}, 2)}
	s := weight{G.NewF32(1), G.NewF32(float32(math.Inf(1)))}
	require.NoError(t, ZeroGrad([]G.ValueGrad{w, s}))
	require.Equal(t, []float64{0, 0}, w.grad.Data())
	require.Equal(t, float32(0), s.grad.Data())
	require.Equal(t, []float64{1, 2}, w.value.Data())
}

func TestAdamWSettingsOutOfRange(t *testing.T) {
	t.Parallel()
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		setting func(*AdamW) *float64
		want    string // around the value
		bad     []float64
	}{
		{func(a *AdamW) *float64 { return &a.LR },
			"LR is %g, want a number from 0 to 1e+10", []float64{-1e-3, nan, inf, -inf}},
		{func(a *AdamW) *float64 { return &a.Beta1 },
			"Beta1 is %g, want 0 or more and less than 1", []float64{1, 1.5, -1, nan, inf, -inf}},
		{func(a *AdamW) *float64 { return &a.Beta2 },
			"Beta2 is %g, want 0 or more and less than 1", []float64{1, 1.5, -1, nan, inf, -inf}},
		{func(a *AdamW) *float64 { return &a.Eps },
			"Eps is %g, want a number from 1e-30 to 1e+30", []float64{0, -1e-8, 1e-50, nan, inf, -inf}},
		{func(a *AdamW) *float64 { return &a.Decay },
			"Decay is %g, want a number from 0 to 1e+10", []float64{-0.1, nan, inf, -inf}},
	} {
		for _, v := range c.bad {
			a := NewAdamW(0.1, 0.9, 0.99, 0.1)
			*c.setting(a) = v
			w := weight{dense([]float64{1, 2}, 2), dense([]float64{3, 4}, 2)}
			require.EqualError(t, a.Step([]G.ValueGrad{w}), fmt.Sprintf("train: AdamW: "+c.want, v))
			require.Equal(t, []float64{1, 2}, w.value.Data())
			require.Equal(t, []float64{3, 4}, w.grad.Data())
		}
	}
}

// TestSettingsAtTheEdgeKeepWeightsFinite combines the largest and smallest allowed settings.
// One of the gradients is 0.
func TestSettingsAtTheEdgeKeepWeightsFinite(t *testing.T) {
	t.Parallel()
	below1 := math.Nextafter(1, 0)
	for _, lr := range []float64{0, 1e-3, 1e10} {
		for _, beta1 := range []float64{0, 0.9, below1} {
			for _, beta2 := range []float64{0, 0.99, below1} {
				for _, eps := range []float64{1e-30, 1e-8, 1e30} {
					for _, decay := range []float64{0, 1e10} {
						a := NewAdamW(lr, beta1, beta2, decay)
						a.Eps = eps
						w := weight{dense([]float32{1, 1, 1}, 1, 3), dense([]float32{0, 1e-3, -10}, 1, 3)}
						require.NoError(t, a.Step([]G.ValueGrad{w}))
						for _, v := range w.value.(*tensor.Dense).Float32s() {
							require.True(t, runlog.Float(v).Finite(), "%+v gives %v", a, w.value)
						}
					}
				}
			}
		}
	}
}
