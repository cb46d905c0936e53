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
)

// axesCase is a golden pass of a norm with the features on given axes.
type axesCase struct {
	Name, Dtype, Norm string
	Axes, Shape       []int
	Groups            int
	Eps, Partial      float64
	ZeroCentred       bool `json:"zero_centred"`
	Weight, Bias      *golden.Tensor
	Dweight           *golden.Tensor
	Mask              *golden.Ints
	goldenPass
}

func (c axesCase) make(g *G.ExprGraph) (Layer, error) {
	opts := []Option{WithDtype(dtypes[c.Dtype]), WithEps(c.Eps), WithAxis(c.Axes...)}
	switch {
	case c.Weight == nil:
		opts = append(opts, WithoutAffine())
	case c.Bias == nil && c.Norm != "RMSNorm" && c.Norm != "rms":
		opts = append(opts, WithoutBias())
	}
	if c.ZeroCentred {
		opts = append(opts, WithZeroCentredGain())
	}
	features := tensor.Shape(c.Shape).TotalSize()
	switch c.Norm {
	case "LayerNorm", "layer":
		return NewLayerNorm(g, features, append(opts, WithShape(c.Shape...))...)
	case "RMSNorm", "rms":
		return NewRMSNorm(g, features, append(opts, WithShape(c.Shape...), WithPartial(c.Partial))...)
	case "InstanceNorm":
		return NewInstanceNorm(g, features, opts...)
	}
	return NewGroupNorm(g, c.Groups, features, opts...)
}

// compare runs the pass on both machines and compares it with PyTorch's values.
func (c axesCase) compare(t *testing.T) {
	want := [][]float64{c.Dx.Data}
	for _, d := range []*golden.Tensor{c.Dweight, c.Dbias} {
		if d != nil {
			want = append(want, d.Data)
		}
	}
	for _, machine := range machines {
		g := G.NewGraph()
		l, err := c.make(g)
		require.NoError(t, err)
		for i, v := range []*golden.Tensor{c.Weight, c.Bias}[:len(l.Learnables())] {
			require.Equal(t, v.Shape, []int(l.Learnables()[i].Shape()))
			overwrite(l.Learnables()[i], v.Data)
		}
		x := input(g, "x", dtypes[c.Dtype], c.X.Data, c.X.Shape...)
		var mask *G.Node
		if c.Mask != nil {
			mask = input(g, "mask", tensor.Int, c.Mask.Data, c.Mask.Shape...)
		}
		y, grads := gradients(t, machine, testLayer{
			inputs:  append(G.Nodes{x}, l.Learnables()...),
			forward: func() (*G.Node, error) { return forward(l, x, mask) },
		}, c.Dy.Data)
		golden.RequireClose(t, c.Y.Data, y, tolerance[c.Dtype], "y")
		require.Len(t, grads, len(want))
		for i := range want {
			golden.RequireClose(t, want[i], grads[i], tolerance[c.Dtype], "gradient %d", i)
		}
	}
}

// TestNormsAlongAxesAndOfMasksEqualPyTorch compares with PyTorch's norms of x with the axes moved to
// the end, and of the elements of each set that count.
func TestNormsAlongAxesAndOfMasksEqualPyTorch(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"rownorm_axes.json", "masked.json"} {
		var f struct{ Cases []axesCase }
		golden.Read(t, file, &f)
		require.NotEmpty(t, f.Cases)
		for _, c := range f.Cases {
			require.Equal(t, file == "masked.json", c.Mask != nil)
			t.Run(file+"/"+c.Name, c.compare)
		}
	}
}

// axisCases are shapes of x and the features' axes, which are not the last ones in order.
var axisCases = []struct {
	shape, axes []int
}{
	{[]int{2, 5, 3, 2}, []int{1}},
	{[]int{4, 3}, []int{-2}},
	{[]int{3, 2, 4}, []int{0, 2}},
	{[]int{3, 2, 4}, []int{2, 1}},
	{[]int{2, 3, 2, 2}, []int{-1, 0, 1}},
	{[]int{3, 2}, []int{1, 0}},
	{[]int{2, 4, 1, 1}, []int{1}}, // with its elements in order already
}

// sizesOf returns the sizes of a shape along the axes.
func sizesOf(shape, axes []int) (sizes []int) {
	for _, axis := range axes {
		sizes = append(sizes, shape[(axis+len(shape))%len(shape)])
	}
	return sizes
}

// TestGradientsAlongAxes compares gradients, and gradients of gradients, with finite differences.
func TestGradientsAlongAxes(t *testing.T) {
	t.Parallel()
	for name, build := range twice {
		for _, c := range axisCases {
			sizes := sizesOf(c.shape, c.axes)
			features := tensor.Shape(sizes).TotalSize()
			opts := []Option{f64, WithEps(0.1), WithAxis(c.axes...), WithShape(sizes...)}
			probe, err := build(G.NewGraph(), features, opts...)
			require.NoError(t, err)
			rng := rand.New(rand.NewPCG(3, uint64(features)))
			n := tensor.Shape(c.shape).TotalSize()
			values := []any{normals(rng, n, 0.5, 1.5)}
			for _, w := range probe.Learnables() {
				values = append(values, normals(rng, w.Shape().TotalSize(), 0.7, 0.5))
			}
			t.Run(fmt.Sprintf("%s/%v/%v", name, c.shape, c.axes), func(t *testing.T) {
				t.Parallel()
				checkGradients(t, values, func(t *testing.T, g *G.ExprGraph, values []any) testLayer {
					l, err := build(g, features, opts...)
					require.NoError(t, err)
					x := input(g, "x", tensor.Float64, values[0], c.shape...)
					for i, w := range l.Learnables() {
						overwrite(w, values[i+1].([]float64))
					}
					forward := func() (*G.Node, error) { return l.Forward(x) }
					return testLayer{append(G.Nodes{x}, l.Learnables()...), forward}
				})
			})
		}
	}
}

// TestAlongAxesIsMovingThemToTheEnd requires the same bits as with the axes moved to the end, in y,
// gradients and gradients of gradients.
func TestAlongAxesIsMovingThemToTheEnd(t *testing.T) {
	cases := append(slices.Clone(axisCases), []struct{ shape, axes []int }{
		{[]int{2, 33, 40}, []int{1}},
		{[]int{6, 3, 7, 20}, []int{0, 2}},
		{[]int{3, 70, 9, 11}, []int{1}}, // blocks of rows and columns, and a rest
		{[]int{5, 40, 3, 50}, []int{1, 3}},
	}...)
	if testing.Short() {
		cases = cases[:len(cases)-2] // without the large ones
	}
	for name, build := range twice {
		for _, c := range cases {
			for dt := range floats {
				t.Run(fmt.Sprintf("%s/%v/%v/%v", name, c.shape, c.axes, dt), func(t *testing.T) {
					sizes := sizesOf(c.shape, c.axes)
					features := tensor.Shape(sizes).TotalSize()
					rows := tensor.Shape(c.shape).TotalSize() / features
					front := make([]int, len(c.axes))
					for i, axis := range c.axes {
						front[i] = (axis + len(c.shape)) % len(c.shape)
					}
					moved := append(without(c.shape, front), front...)
					rng := rand.New(rand.NewPCG(8, 8))
					n := rows * features
					x, dy, u := normals(rng, n, 1, 2), normals(rng, n, 0, 1), normals(rng, n, 0, 1)
					weights := [][]float64{normals(rng, features, 1, 0.5), normals(rng, features, 0, 1)}
					move := func(x []float64) []float64 { return permuted(x, c.shape, moved) }
					want := passes(t, build, dt, weights, []int{rows, features}, move(x), move(dy), move(u))
					got := passes(t, build, dt, weights, c.shape, x, dy, u, WithAxis(c.axes...), WithShape(sizes...))
					require.Len(t, got, len(want))
					for i, v := range got {
						if len(v) == len(x) && i < 3+1 { // y, dx and second gradients of x and dy
							v = move(v)
						}
						require.Equal(t, want[i], v, "result %d", i)
					}
				})
			}
		}
	}
}

// permuted returns x with its axes in the given order.
func permuted(x []float64, shape, order []int) (y []float64) {
	places := []int{0}
	for _, axis := range order {
		stride := tensor.Shape(shape[axis+1:]).TotalSize()
		var next []int
		for _, p := range places {
			for i := range shape[axis] {
				next = append(next, p+i*stride)
			}
		}
		places = next
	}
	for _, p := range places {
		y = append(y, x[p])
	}
	return y
}

// passes returns y, dx, and the gradients of Σ u∘dx with respect to x and dy, then those of the
// learnables, first and second.
func passes(
	t *testing.T, build func(g *G.ExprGraph, features int, opts ...Option) (Layer, error),
	dt tensor.Dtype, weights [][]float64, shape []int, x, dy, u []float64, opts ...Option,
) (all [][]float64) {
	t.Helper()
	g := G.NewGraph()
	l, err := build(g, len(weights[0]), append(opts, WithDtype(dt))...)
	require.NoError(t, err)
	for i, n := range l.Learnables() {
		overwrite(n, weights[i])
	}
	in := input(g, "x", dt, x, shape...)
	upstream := input(g, "dy", dt, dy, shape...)
	y, err := l.Forward(in)
	require.NoError(t, err)
	first, err := Grad(G.Must(G.Sum(G.Must(G.HadamardProd(y, upstream)))), append(G.Nodes{in}, l.Learnables()...)...)
	require.NoError(t, err)
	terms := G.Nodes{G.Must(G.Sum(G.Must(G.HadamardProd(first[0], input(g, "u", dt, u, shape...)))))}
	for i, d := range first[1:] { // Σ weights∘dweight
		w := input(g, fmt.Sprint("v", i), dt, weights[i][:d.Shape().TotalSize()], d.Shape()...)
		terms = append(terms, G.Must(G.Sum(G.Must(G.HadamardProd(d, w)))))
	}
	weight := l.Learnables()[:min(1, len(l.Learnables()))]
	second, err := Grad(G.Must(G.ReduceAdd(terms)), append(G.Nodes{in, upstream}, weight...)...)
	require.NoError(t, err)
	nodes := slices.Concat(G.Nodes{y, first[0]}, second, first[1:])
	values := make([]G.Value, len(nodes))
	for i, n := range nodes {
		G.Read(n, &values[i])
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	require.NoError(t, vm.RunAll())
	for _, v := range values {
		all = append(all, float64s(v))
	}
	return all
}

func TestNormsAlongAxesSayWhatTheyWant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		axes  []int
		sizes []int // nil: (4)
		dt    tensor.Dtype
		shape []int
		want  string
	}{
		{[]int{1}, nil, tensor.Float32, []int{2, 3, 5}, "axis 1 has size 3, want 4 (input shape (2, 3, 5))"},
		{[]int{-2}, nil, tensor.Float32, []int{2, 3, 5}, "axis -2 has size 3, want 4 (input shape (2, 3, 5))"},
		{[]int{2}, nil, tensor.Float32, []int{2, 3, 5}, "last dimension is 5, want 4 (input shape (2, 3, 5))"},
		{[]int{3}, nil, tensor.Float32, []int{2, 4, 5},
			"axis is 3, want one of the input's, -3 to 2 (input shape (2, 4, 5))"},
		{[]int{-4}, nil, tensor.Float32, []int{2, 4, 5},
			"axis is -4, want one of the input's, -3 to 2 (input shape (2, 4, 5))"},
		{[]int{1}, nil, tensor.Float32, nil, "last dimension is missing, want 4 (input shape ())"},
		{[]int{-1}, nil, tensor.Float32, []int{2, 3}, "last dimension is 3, want 4 (input shape (2, 3))"},
		{[]int{1}, nil, tensor.Float64, []int{2, 4, 5},
			"the input is of type float64, want float32: WithDtype(tensor.Float64) makes a layer for such inputs"},
		{[]int{1, -2}, []int{2, 2}, tensor.Float32, []int{3, 2, 5},
			"axes 1 and -2 are the same, want different ones (input shape (3, 2, 5))"},
		{[]int{0, 2}, []int{2, 2}, tensor.Float32, []int{2, 3, 5},
			"last dimension is 5, want 2 (input shape (2, 3, 5))"},
		{[]int{2, 0}, []int{4, 1}, tensor.Float32, []int{2, 3, 4}, "axis 0 has size 2, want 1 (input shape (2, 3, 4))"},
		{[]int{-2, -1}, []int{2, 2}, tensor.Float32, []int{2, 2, 3},
			"last dimensions are (2, 3), want (2, 2) (input shape (2, 2, 3))"},
	} {
		for _, kind := range kindsWhere(normSpec.byRow) {
			opts := []Option{WithAxis(c.axes...)}
			if c.sizes != nil {
				opts = append(opts, WithShape(c.sizes...))
			}
			g := G.NewGraph()
			l, err := every[kind](g, opts...)
			require.NoError(t, err)
			x := G.NewTensor(g, c.dt, len(c.shape), G.WithShape(c.shape...), G.WithName("x"))
			nodes := len(g.AllNodes())
			require.EqualError(t, second(l.Forward(x)), "layers: "+kind+": "+c.want)
			require.Len(t, g.AllNodes(), nodes)
		}
	}
}

// TestQKNormRefusesNormsAlongOtherAxes because its rows are the features of a head.
func TestQKNormRefusesNormsAlongOtherAxes(t *testing.T) {
	t.Parallel()
	g := G.NewGraph()
	last, err := NewLayerNorm(g, 4, WithAxis(-1))
	require.NoError(t, err)
	for _, kind := range kindsWhere(normSpec.byRow) {
		l, err := normOf(kind).make(g, 4, WithAxis(1))
		require.NoError(t, err)
		other, ok := l.(RowNorm)
		require.True(t, ok, "%s is a norm of rows and no RowNorm: give it self, rowKernels and along", kind)
		require.EqualError(t, second(NewQKNorm(1, last, other)),
			"layers: QKNorm: the key's norm is along the axes [1], want the last ones", kind)
		require.EqualError(t, second(NewQKNorm(1, other, last)),
			"layers: QKNorm: the query's norm is along the axes [1], want the last ones", kind)
	}
	third, err := NewLayerNorm(g, 4, WithAxis(-2, -1), WithShape(2, 2))
	require.NoError(t, err)
	require.NoError(t, second(NewQKNorm(1, last, third)))
}

// TestAxesAreCopied changes the slice afterwards, which must change nothing.
func TestAxesAreCopied(t *testing.T) {
	t.Parallel()
	axes := []int{1}
	g := G.NewGraph()
	l, err := NewLayerNorm(g, 4, WithAxis(axes...))
	require.NoError(t, err)
	axes[0] = 0
	_, err = l.Forward(input(g, "x", tensor.Float32, make([]float64, 24), 2, 4, 3))
	require.NoError(t, err)
}

// TestRowsInOrderAreNotPacked if the axes are the last ones, however they are counted, or if the axes
// after them have size 1.
func TestRowsInOrderAreNotPacked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shape, axes []int
		inOrder     bool
	}{
		{[]int{2, 3, 4}, []int{-1}, true},
		{[]int{2, 3, 4}, []int{2}, true},
		{[]int{2, 3, 4}, []int{1, 2}, true},
		{[]int{2, 3, 4}, []int{-2, 2}, true},
		{[]int{2, 3, 1, 1}, []int{1}, true},
		{[]int{2, 3, 4}, []int{2, 1}, false},
		{[]int{2, 3, 4}, []int{1}, false},
	} {
		sizes := sizesOf(c.shape, c.axes)
		l, err := NewRMSNorm(G.NewGraph(), tensor.Shape(sizes).TotalSize(), WithAxis(c.axes...), WithShape(sizes...))
		require.NoError(t, err)
		x := input(l.g, "x", tensor.Float32, make([]float64, tensor.Shape(c.shape).TotalSize()), c.shape...)
		at, err := l.row.of(&l.module, x)
		require.NoError(t, err)
		require.Equal(t, c.inOrder, rowPlaces(x, at).InOrder(), "%v of %v", c.axes, c.shape)
	}
}
