package layers

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
)

// pointwiseEqualsPyTorch compares DyT and Derf.
func pointwiseEqualsPyTorch(t *testing.T, n normSpec) {
	var f struct {
		Cases []struct {
			Name, Dtype                    string
			X, Dy, Y, Dx                   golden.Tensor
			Alpha, Shift, Weight, Bias     *golden.Tensor
			Dalpha, Dshift, Dweight, Dbias *golden.Tensor
		}
	}
	golden.Read(t, n.goldenFile(), &f)
	require.NotEmpty(t, f.Cases)
	for _, c := range f.Cases {
		for _, machine := range machines {
			t.Run(c.Name+"/"+machine, func(t *testing.T) {
				given := []*golden.Tensor{c.Weight, c.Bias, c.Alpha, c.Shift}
				want := []*golden.Tensor{c.Dweight, c.Dbias, c.Dalpha, c.Dshift}
				names := []string{"weight", "bias", "alpha", "shift"}
				dt, g := dtypes[c.Dtype], G.NewGraph()
				opts := []Option{WithDtype(dt)}
				switch {
				case c.Weight == nil:
					opts = append(opts, WithoutAffine())
				case c.Bias == nil:
					opts = append(opts, WithoutBias())
				}
				l, err := n.make(g, c.X.Shape[len(c.X.Shape)-1], opts...)
				require.NoError(t, err)
				rest := l.Learnables()
				for i, v := range given {
					if v != nil {
						require.Equal(t, l.Name()+"."+names[i], rest[0].Name())
						overwrite(rest[0], v.Data)
						rest = rest[1:]
					}
				}
				require.Empty(t, rest)
				x := input(g, "x", dt, c.X.Data, c.X.Shape...)
				y, grads := gradients(t, machine, testLayer{
					inputs:  append(G.Nodes{x}, l.Learnables()...),
					forward: func() (*G.Node, error) { return l.Forward(x) },
				}, c.Dy.Data)
				golden.RequireClose(t, c.Y.Data, y, tolerance[c.Dtype], "y")
				golden.RequireClose(t, c.Dx.Data, grads[0], tolerance[c.Dtype], "dx")
				for i, w := range want {
					if w != nil {
						grads = grads[1:]
						golden.RequireClose(t, w.Data, grads[0], tolerance[c.Dtype], "d%s", names[i])
					}
				}
			})
		}
	}
}

func newPointwiseOf(kind string, g *G.ExprGraph, features int, opts ...Option) (Layer, error) {
	if kind == "Derf" {
		return NewDerf(g, features, opts...)
	}
	return NewDyT(g, features, opts...)
}

// TestDyTAndDerfAtExtremes covers the smallest numbers and those that saturate the function,
// on a second graph with the initial learnables.
func TestDyTAndDerfAtExtremes(t *testing.T) {
	values := []float64{0, 1e-30, -1e-20, 1e-4, -3, 30, -1e20, math.Inf(1)}
	for kind, f := range map[string]func(float64) float64{"DyT": math.Tanh, "Derf": math.Erf} {
		for name, dt := range dtypes {
			t.Run(kind+"/"+name, func(t *testing.T) {
				first, err := newPointwiseOf(kind, G.NewGraph(), len(values), WithDtype(dt), WithAlpha(-2))
				require.NoError(t, err)
				g := G.NewGraph()
				l, err := first.On(g, Evaluation)
				require.NoError(t, err)
				require.IsType(t, first, l)
				y, err := l.Forward(input(g, "x", dt, values, 1, len(values)))
				require.NoError(t, err)
				vm := G.NewTapeMachine(g)
				defer vm.Close()
				require.NoError(t, vm.RunAll())
				for i, got := range float64s(y.Value()) {
					want := f(-2 * values[i])
					// Relative to each value. The input is rounded too.
					require.InDelta(t, want, got, 8*machineEps(dt)*math.Abs(want), "%s(-2·%g)", kind, values[i])
				}
			})
		}
	}
}

func TestDyTAndDerfStartAtTheirPapersValues(t *testing.T) {
	for kind, want := range map[string][][]float64{
		"DyT": {{1, 1, 1}, {0, 0, 0}, {0.5}}, "Derf": {{1, 1, 1}, {0, 0, 0}, {0.5}, {0}},
	} {
		l, err := newPointwiseOf(kind, G.NewGraph(), 3)
		require.NoError(t, err)
		for i, n := range l.Learnables() {
			require.Equal(t, tensor.Shape{len(want[i])}, n.Shape(), n.Name())
			require.Equal(t, want[i], float64s(n.Value()), n.Name())
		}
		l, err = newPointwiseOf(kind, G.NewGraph(), 3,
			WithAlpha(0.25), WithWeightInit(constant(2)), WithBiasInit(constant(3)))
		require.NoError(t, err)
		require.Equal(t, []float64{2, 2, 2}, float64s(l.Learnables()[0].Value()))
		require.Equal(t, []float64{3, 3, 3}, float64s(l.Learnables()[1].Value()))
		require.Equal(t, []float64{0.25}, float64s(l.Learnables()[2].Value()))
	}
}

func TestWrongUseOfDyTAndDerf(t *testing.T) {
	g := G.NewGraph()
	bare, err := NewDyT(g, 4, WithoutAffine(), WithName("norm"))
	require.NoError(t, err)
	require.Len(t, bare.Learnables(), 1)
	for _, c := range []struct {
		err  error
		want string
	}{
		{second(NewDyT(g, 4, WithoutAffine(), WithName("norm"))),
			"layers: DyT norm: the graph has a node norm.alpha already, give the layer another name"},
		{second(NewDyT(g, 0)), "layers: DyT: features is 0, want 1 or more"},
		{second(NewDyT(g, 4, WithAlpha(math.Inf(1)))), "layers: DyT: alpha is +Inf, want a finite number"},
		{second(NewDerf(g, 4, WithAlpha(math.NaN()))), "layers: Derf: alpha is NaN, want a finite number"},
		{second(NewDerf(g, 4, WithEps(1))), "layers: Derf: has no option WithEps"},
		{second(NewDerf(nil, 4)), "layers: Derf: the graph is nil"},
		{second(bare.Forward(input(g, "x", tensor.Float32, make([]float64, 6), 2, 3))),
			"layers: DyT norm: last dimension is 3, want 4 (input shape (2, 3))"},
		{second(bare.On(nil, Training)), "layers: DyT norm: the graph is nil"},
	} {
		require.EqualError(t, c.err, c.want)
	}
}
