package layers

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
)

// groupNormEqualsPyTorch compares GroupNorm and InstanceNorm.
func groupNormEqualsPyTorch(t *testing.T, n normSpec) {
	var f struct {
		Cases []struct {
			Name, Dtype    string
			Groups, Axis   int
			Eps            float64
			X, Dy, Y, Dx   golden.Tensor
			Weight, Bias   *golden.Tensor
			Dweight, Dbias *golden.Tensor
		}
	}
	golden.Read(t, n.goldenFile(), &f)
	require.NotEmpty(t, f.Cases)
	for _, c := range f.Cases {
		t.Run(c.Name, func(t *testing.T) {
			opts := []Option{WithDtype(dtypes[c.Dtype]), WithEps(c.Eps), WithAxis(c.Axis)}
			switch {
			case c.Weight == nil:
				opts = append(opts, WithoutAffine())
			case c.Bias == nil:
				opts = append(opts, WithoutBias())
			}
			want := [][]float64{c.Dx.Data}
			for _, d := range []*golden.Tensor{c.Dweight, c.Dbias} {
				if d != nil {
					want = append(want, d.Data)
				}
			}
			features := c.X.Shape[(c.Axis+len(c.X.Shape))%len(c.X.Shape)]
			for _, machine := range machines {
				g := G.NewGraph()
				l, err := groupOrInstance(g, c.Groups, features, opts...)
				require.NoError(t, err)
				for i, v := range []*golden.Tensor{c.Weight, c.Bias}[:len(l.Learnables())] {
					overwrite(l.Learnables()[i], v.Data)
				}
				y, grads := runOnce(t, machine, g, l, dtypes[c.Dtype], c.X.Data, c.Dy.Data, c.X.Shape...)
				golden.RequireClose(t, c.Y.Data, y, tolerance[c.Dtype], "y")
				require.Len(t, grads, len(want))
				for i := range want {
					golden.RequireClose(t, want[i], grads[i], tolerance[c.Dtype], "gradient %d", i)
				}
			}
		})
	}
}

// groupOrInstance returns a GroupNorm, or an InstanceNorm for 0 groups.
func groupOrInstance(g *G.ExprGraph, groups, features int, opts ...Option) (Layer, error) {
	if groups == 0 {
		return NewInstanceNorm(g, features, opts...)
	}
	return NewGroupNorm(g, groups, features, opts...)
}

// runOnce returns y and the gradients of x and of the learnables.
func runOnce(
	t *testing.T, machine string, g *G.ExprGraph, l Layer, dt tensor.Dtype, x, dy []float64, shape ...int,
) (y []float64, grads [][]float64) {
	t.Helper()
	in := input(g, "x", dt, x, shape...)
	return gradients(t, machine, testLayer{
		inputs:  append(G.Nodes{in}, l.Learnables()...),
		forward: func() (*G.Node, error) { return l.Forward(in) },
	}, dy)
}

func TestGroupNormGradients(t *testing.T) {
	for _, c := range []struct {
		shape        []int
		axis, groups int // 0 groups: InstanceNorm
		opts         []Option
	}{
		{[]int{3, 6}, -1, 2, nil},
		{[]int{3, 6}, 1, 3, []Option{WithoutBias()}},
		{[]int{3, 6}, 1, 3, []Option{WithoutWeight()}},
		{[]int{2, 3, 6}, 2, 3, []Option{WithoutWeight()}},
		{[]int{2, 3, 4}, -1, 2, nil},
		{[]int{2, 4, 3}, 1, 2, nil},
		{[]int{2, 4, 3}, -2, 1, []Option{WithoutAffine()}},
		{[]int{2, 3, 4, 2}, 2, 2, nil},
		{[]int{2, 3, 2, 2}, 1, 0, nil},
		{[]int{2, 5, 3}, -1, 0, []Option{WithEps(0.5)}},
	} {
		t.Run(fmt.Sprint(c.shape, c.axis, c.groups), func(t *testing.T) {
			features := c.shape[(c.axis+len(c.shape))%len(c.shape)]
			rng := rand.New(rand.NewPCG(3, uint64(features)))
			opts := append([]Option{f64, WithAxis(c.axis)}, c.opts...)
			probe, err := groupOrInstance(G.NewGraph(), c.groups, features, opts...)
			require.NoError(t, err)
			values := []any{normals(rng, tensor.Shape(c.shape).TotalSize(), 0.5, 1.5)}
			for range probe.Learnables() {
				values = append(values, normals(rng, features, 0.7, 0.5))
			}
			checkGradients(t, values, func(t *testing.T, g *G.ExprGraph, values []any) testLayer {
				l, err := groupOrInstance(g, c.groups, features, opts...)
				require.NoError(t, err)
				x := input(g, "x", tensor.Float64, values[0], c.shape...)
				for i, w := range l.Learnables() {
					overwrite(w, values[i+1].([]float64))
				}
				return testLayer{
					inputs:  append(G.Nodes{x}, l.Learnables()...),
					forward: func() (*G.Node, error) { return l.Forward(x) },
				}
			})
		})
	}
}

// groupNormCase is a layer and the shape of its input.
type groupNormCase struct {
	new   func(g *G.ExprGraph, opts ...Option) (Layer, error)
	shape []int
	axis  int
}

// requireSame compares the results of two layers for one x, dy, γ and β. Element i of b's x and dy is
// element gather[i] of a's.
func requireSame(t *testing.T, a, b groupNormCase, gather []int, learnables bool) {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 6))
	size := tensor.Shape(a.shape).TotalSize()
	x, dy := normals(rng, size, 1, 2), normals(rng, size, 0, 1)
	moved := func(v []float64) []float64 {
		w := make([]float64, len(v))
		for i, k := range gather {
			w[i] = v[k]
		}
		return w
	}
	run := func(c groupNormCase, x, dy []float64) ([]float64, [][]float64) {
		g := G.NewGraph()
		opts := []Option{f64}
		if c.axis != -1 {
			opts = append(opts, WithAxis(c.axis))
		}
		if !learnables {
			opts = append(opts, WithoutAffine())
		}
		l, err := c.new(g, opts...)
		require.NoError(t, err)
		rng := rand.New(rand.NewPCG(7, 8))
		for _, w := range l.Learnables() {
			overwrite(w, normals(rng, w.Shape().TotalSize(), 1, 0.5))
		}
		return runOnce(t, "tape", g, l, tensor.Float64, x, dy, c.shape...)
	}
	y, grads := run(a, x, dy)
	got, gotGrads := run(b, moved(x), moved(dy))
	within := golden.Within{Rel: 1e-11, Abs: 1e-13} // sums in another order
	golden.RequireClose(t, moved(y), got, within, "y")
	golden.RequireClose(t, moved(grads[0]), gotGrads[0], within, "dx")
	require.Len(t, gotGrads, len(grads))
	for i := 1; i < len(grads); i++ {
		golden.RequireClose(t, grads[i], gotGrads[i], within, "gradient %d", i)
	}
}

func inPlace(n int) (gather []int) {
	for i := range n {
		gather = append(gather, i)
	}
	return gather
}

func TestGroupNormOfOneGroupIsLayerNorm(t *testing.T) {
	layerNorm := func(n int) func(g *G.ExprGraph, opts ...Option) (Layer, error) {
		return func(g *G.ExprGraph, opts ...Option) (Layer, error) { return NewLayerNorm(g, n, opts...) }
	}
	one := func(n int) func(g *G.ExprGraph, opts ...Option) (Layer, error) {
		return func(g *G.ExprGraph, opts ...Option) (Layer, error) { return NewGroupNorm(g, 1, n, opts...) }
	}
	rows := []int{5, 12}
	requireSame(t, groupNormCase{layerNorm(12), rows, -1}, groupNormCase{one(12), rows, -1}, inPlace(60), true)
	// For images it is LayerNorm of each image as one row, except for the shape of γ and β.
	images := groupNormCase{one(4), []int{3, 4, 5, 3}, 1}
	requireSame(t, groupNormCase{layerNorm(60), []int{3, 60}, -1}, images, inPlace(180), false)
}

func TestInstanceNormIsGroupNormOfGroupsOfOne(t *testing.T) {
	group := func(g *G.ExprGraph, opts ...Option) (Layer, error) { return NewGroupNorm(g, 4, 4, opts...) }
	instance := func(g *G.ExprGraph, opts ...Option) (Layer, error) { return NewInstanceNorm(g, 4, opts...) }
	shape := []int{3, 4, 5, 3}
	requireSame(t, groupNormCase{group, shape, 1}, groupNormCase{instance, shape, 1}, inPlace(180), true)
}

// TestGroupNormAlongAnyAxis moves the features to other axes.
func TestGroupNormAlongAnyAxis(t *testing.T) {
	group := func(g *G.ExprGraph, opts ...Option) (Layer, error) { return NewGroupNorm(g, 2, 4, opts...) }
	const samples, h, w, features = 3, 5, 2, 4
	var first, middle []int // for each element with the features there, its place with the features last
	for n := range samples {
		last := func(i, j, c int) int { return ((n*h+i)*w+j)*features + c }
		for c := range features {
			for i := range h {
				for j := range w {
					first = append(first, last(i, j, c))
				}
			}
		}
		for i := range h {
			for c := range features {
				for j := range w {
					middle = append(middle, last(i, j, c))
				}
			}
		}
	}
	last := groupNormCase{group, []int{samples, h, w, features}, -1}
	requireSame(t, last, groupNormCase{group, []int{samples, features, h, w}, 1}, first, true)
	requireSame(t, last, groupNormCase{group, []int{samples, features, h, w}, -3}, first, true)
	requireSame(t, last, groupNormCase{group, []int{samples, h, features, w}, 2}, middle, true)
}

// TestGroupOfOneNumber requires x̂ = 0 whatever the number.
func TestGroupOfOneNumber(t *testing.T) {
	for _, dt := range []tensor.Dtype{tensor.Float32, tensor.Float64} {
		g := G.NewGraph()
		l, err := NewInstanceNorm(g, 2, WithDtype(dt))
		require.NoError(t, err)
		overwrite(l.Learnables()[1], []float64{3, -4})
		y, grads := runOnce(t, "tape", g, l, dt, []float64{1e6, 0.1, -7, 1e-8}, []float64{1, 2, 3, 4}, 2, 2)
		require.Equal(t, []float64{3, -4, 3, -4}, y)
		require.Equal(t, [][]float64{{0, 0, 0, 0}, {0, 0}, {4, 6}}, grads)
	}
}

func TestGroupNormErrors(t *testing.T) {
	g := G.NewGraph()
	for _, c := range []struct {
		groups, features int
		opts             []Option
		want             string
	}{
		{0, 4, nil, "layers: GroupNorm: groups is 0, want a divisor of 4 features"},
		{-2, 4, nil, "layers: GroupNorm: groups is -2, want a divisor of 4 features"},
		{3, 4, []Option{WithName("gn")}, "layers: GroupNorm gn: groups is 3, want a divisor of 4 features"},
		{8, 4, nil, "layers: GroupNorm: groups is 8, want a divisor of 4 features"},
		{1, 0, nil, "layers: GroupNorm: features is 0, want 1 or more"},
		{2, 4, []Option{WithAxis(0)}, "layers: GroupNorm: axis is 0, which is the samples', want another"},
		{2, 4, []Option{WithMomentum(0.1)}, "layers: GroupNorm: has no option WithMomentum"},
	} {
		_, err := NewGroupNorm(g, c.groups, c.features, c.opts...)
		require.EqualError(t, err, c.want)
	}
	_, err := NewInstanceNorm(g, 0)
	require.EqualError(t, err, "layers: InstanceNorm: features is 0, want 1 or more")
	_, err = NewInstanceNorm(nil, 4)
	require.EqualError(t, err, "layers: InstanceNorm: the graph is nil")
	require.Empty(t, g.AllNodes())

	for _, c := range []struct {
		axis  int
		dt    tensor.Dtype
		shape []int
		want  string
	}{
		{-1, tensor.Float32, []int{4}, "the features are axis 0, want samples there (input shape (4))"},
		{-2, tensor.Float32, []int{4, 3}, "the features are axis 0, want samples there (input shape (4, 3))"},
		{-1, tensor.Float32, []int{2, 3}, "last dimension is 3, want 4 (input shape (2, 3))"},
		{1, tensor.Float32, []int{2, 3, 5}, "axis 1 has size 3, want 4 (input shape (2, 3, 5))"},
		{2, tensor.Float32, []int{2, 4}, "axis is 2, want one of the input's, -2 to 1 (input shape (2, 4))"},
		{-1, tensor.Float64, []int{2, 4}, "the input is of type float64, want float32: " +
			"WithDtype(tensor.Float64) makes a layer for such inputs"},
	} {
		g := G.NewGraph()
		l, err := NewGroupNorm(g, 2, 4, WithAxis(c.axis))
		require.NoError(t, err)
		_, err = l.Forward(input(g, "x", c.dt, make([]float64, tensor.Shape(c.shape).TotalSize()), c.shape...))
		require.EqualError(t, err, "layers: GroupNorm: "+c.want)
	}
}

func TestGroupNormOnAnotherGraph(t *testing.T) {
	for _, groups := range []int{0, 2} {
		l, err := groupOrInstance(G.NewGraph(), groups, 4,
			f64, WithAxis(1), WithEps(0.1), WithWeightInit(constant(2)), WithBiasInit(constant(-1)))
		require.NoError(t, err)
		rng := rand.New(rand.NewPCG(9, 9))
		x, dy := normals(rng, 24, 0, 1), normals(rng, 24, 0, 1)
		g := G.NewGraph()
		placed, err := l.On(g, Evaluation)
		require.NoError(t, err)
		require.IsType(t, l, placed)
		y, grads := runOnce(t, "tape", l.Learnables()[0].Graph(), l, tensor.Float64, x, dy, 2, 4, 3)
		gotY, gotGrads := runOnce(t, "tape", g, placed, tensor.Float64, x, dy, 2, 4, 3)
		require.Equal(t, y, gotY)
		require.Equal(t, grads, gotGrads)
		var mean float64
		for _, v := range y {
			mean += v / 24
		}
		require.InDelta(t, -1, mean, 1e-12) // β, because x̂ has mean 0
	}
}

// TestInstanceNormTracksAsPyTorch trains for three steps, then evaluates, also with the training
// placement on a machine made with EvalMode.
func TestInstanceNormTracksAsPyTorch(t *testing.T) {
	t.Parallel()
	type pass struct {
		X, Dy, Y, Dx   golden.Tensor
		Dweight, Dbias *golden.Tensor
	}
	var f struct {
		Cases []struct {
			Name, Dtype  string
			Axis         int
			Momentum     float64
			Unbatched    bool
			Weight, Bias *golden.Tensor
			Steps        []struct {
				pass
				Mean golden.Tensor `json:"running_mean"`
				Var  golden.Tensor `json:"running_var"`
			}
			Eval pass
		}
	}
	golden.Read(t, "instancenorm_tracking.json", &f)
	require.NotEmpty(t, f.Cases)
	for _, c := range f.Cases {
		for _, machine := range machines {
			t.Run(c.Name+"/"+machine, func(t *testing.T) {
				dt, tolerance := dtypes[c.Dtype], tolerance[c.Dtype]
				opts := []Option{WithDtype(dt), WithAxis(c.Axis), WithTracking(), WithMomentum(c.Momentum)}
				if c.Unbatched {
					opts = append(opts, WithUnbatched())
				}
				switch {
				case c.Weight == nil:
					opts = append(opts, WithoutAffine())
				case c.Bias == nil:
					opts = append(opts, WithoutBias())
				}
				shape := c.Steps[0].X.Shape
				l, err := NewInstanceNorm(G.NewGraph(), shape[(c.Axis+len(shape))%len(shape)], opts...)
				require.NoError(t, err)
				for i, v := range []*golden.Tensor{c.Weight, c.Bias}[:len(l.Learnables())] {
					overwrite(l.Learnables()[i], v.Data)
				}
				check := func(p pass, mode Mode) {
					g := G.NewGraph()
					placed, err := l.On(g, mode)
					require.NoError(t, err)
					y, grads := runOnce(t, machine, g, placed, dt, p.X.Data, p.Dy.Data, shape...)
					golden.RequireClose(t, p.Y.Data, y, tolerance, "y")
					for i, want := range []*golden.Tensor{&p.Dx, p.Dweight, p.Dbias}[:len(grads)] {
						golden.RequireClose(t, want.Data, grads[i], tolerance, "gradient %d", i)
					}
				}
				for i, s := range c.Steps {
					check(s.pass, Training)
					state := l.State()
					golden.RequireClose(t, s.Mean.Data, float64s(state["running_mean"]), tolerance, "running mean")
					golden.RequireClose(t, s.Var.Data, float64s(state["running_var"]), tolerance, "running variance")
					require.Equal(t, []int64{int64(i + 1)}, state["num_batches_tracked"].Data())
				}
				before := contents(l.State())
				check(c.Eval, Evaluation)

				g := G.NewGraph()
				placed, err := l.On(g, Training)
				require.NoError(t, err)
				y, err := placed.Forward(input(g, "x", dt, c.Eval.X.Data, shape...))
				require.NoError(t, err)
				vm := G.NewTapeMachine(g, G.EvalMode())
				defer vm.Close()
				require.NoError(t, vm.RunAll())
				golden.RequireClose(t, c.Eval.Y.Data, float64s(y.Value()), tolerance, "y under EvalMode")
				require.Equal(t, before, contents(l.State()))
			})
		}
	}
}

func TestWhatATrackingInstanceNormRefuses(t *testing.T) {
	t.Parallel()
	g := G.NewGraph()
	l, err := NewInstanceNorm(g, 4, WithTracking())
	require.NoError(t, err)
	x := input(g, "x", tensor.Float32, make([]float64, 24), 2, 3, 4)
	_, err = l.ForwardMasked(x, input(g, "mask", tensor.Int, make([]int, 6), 2, 3))
	require.EqualError(t, err, "layers: InstanceNorm: WithTracking and a mask cannot be combined")
	_, err = l.Forward(input(g, "rows", tensor.Float32, make([]float64, 8), 2, 4))
	require.EqualError(t, err, "layers: InstanceNorm: "+
		"WithTracking needs 2 or more numbers of a feature in a sample, there is 1 (input shape (2, 4))")
	eval, err := l.On(G.NewGraph(), Evaluation)
	require.NoError(t, err)
	_, err = eval.Forward(input(eval.Learnables()[0].Graph(), "rows", tensor.Float32, make([]float64, 8), 2, 4))
	require.NoError(t, err, "running statistics need no numbers of this sample")
}
