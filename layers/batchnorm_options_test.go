package layers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
)

// maskedPass is a golden pass, with or without a mask.
type maskedPass struct {
	goldenPass
	Mask    *golden.Ints
	Dweight *golden.Tensor
}

// compare runs the pass and compares it with PyTorch's values.
func (p maskedPass) compare(t *testing.T, machine string, l *BatchNorm, g *G.ExprGraph, dtype string) {
	t.Helper()
	x := input(g, "x", dtypes[dtype], p.X.Data, p.X.Shape...)
	forward := func() (*G.Node, error) { return l.Forward(x) }
	if p.Mask != nil {
		mask := input(g, "mask", tensor.Int, p.Mask.Data, p.Mask.Shape...)
		forward = func() (*G.Node, error) { return l.ForwardMasked(x, mask) }
	}
	y, grads := gradients(t, machine, testLayer{append(G.Nodes{x}, l.Learnables()...), forward}, p.Dy.Data)
	want := [][]float64{p.Dx.Data}
	if p.Dweight != nil {
		want = append(want, p.Dweight.Data, p.Dbias.Data)
	}
	golden.RequireClose(t, p.Y.Data, y, tolerance[dtype], "y")
	require.Len(t, grads, len(want))
	for i, name := range []string{"dx", "dweight", "dbias"}[:len(want)] {
		golden.RequireClose(t, want[i], grads[i], tolerance[dtype], "%s", name)
	}
}

func TestBatchNormsOptionsEqualPyTorch(t *testing.T) {
	var f struct {
		Cases []struct {
			Name, Dtype, Option string
			Eps                 float64
			Momentum            *float64
			Axis                int
			Weight, Bias        *golden.Tensor
			Mean                *golden.Tensor `json:"running_mean"`
			Var                 *golden.Tensor `json:"running_var"`
			Steps               []struct {
				maskedPass
				Mean    *golden.Tensor `json:"running_mean"`
				Var     *golden.Tensor `json:"running_var"`
				Batches int64          `json:"num_batches_tracked"`
			}
			Eval maskedPass
		}
	}
	golden.Read(t, "batchnorm_options.json", &f)
	seen := make(map[string]bool)
	for _, c := range f.Cases {
		seen[c.Option] = true
		opts := []Option{WithDtype(dtypes[c.Dtype]), WithEps(c.Eps), WithAxis(c.Axis)}
		switch {
		case c.Momentum == nil:
			opts = append(opts, WithCumulativeAverage())
		default:
			opts = append(opts, WithMomentum(*c.Momentum))
		}
		features := c.Steps[0].X.Shape[(c.Axis+len(c.Steps[0].X.Shape))%len(c.Steps[0].X.Shape)]
		switch c.Option {
		case "noaffine":
			opts = append(opts, WithoutAffine())
		case "untracked":
			opts = append(opts, WithoutTracking())
		case "frozen":
			opts = append(opts, WithFrozenStatistics())
		case "biased":
			opts = append(opts, WithBiasedVariance())
		case "positions":
			opts = append(opts, WithPositions(c.Steps[0].X.Shape[1]))
		}
		for _, machine := range machines {
			t.Run(c.Name+"/"+machine, func(t *testing.T) {
				l, err := NewBatchNorm(G.NewGraph(), features, opts...)
				require.NoError(t, err)
				if c.Weight != nil {
					setAll(t, l, *c.Weight, c.Bias)
				}
				if c.Mean != nil {
					copy2(l.RunningMean(), c.Mean.Data)
					copy2(l.RunningVar(), c.Var.Data)
				} else {
					require.Nil(t, l.RunningMean())
					require.Nil(t, l.RunningVar())
				}
				place := func(mode Mode) (*BatchNorm, *G.ExprGraph) {
					g := G.NewGraph()
					placed, err := l.On(g, mode)
					require.NoError(t, err)
					return placed.(*BatchNorm), g
				}
				for _, s := range c.Steps {
					placed, g := place(Training)
					s.compare(t, machine, placed, g, c.Dtype)
					if s.Mean == nil {
						require.NotContains(t, placed.State(), "running_mean")
						continue
					}
					state := l.State()
					within := tolerance[c.Dtype]
					golden.RequireClose(t, s.Mean.Data, float64s(state["running_mean"]), within, "running mean")
					golden.RequireClose(t, s.Var.Data, float64s(state["running_var"]), within, "running variance")
					require.Equal(t, s.Mean.Shape, []int(state["running_mean"].Shape()))
					require.Equal(t, []int64{s.Batches}, state["num_batches_tracked"].Data())
				}
				before := l.State()
				placed, g := place(Evaluation)
				c.Eval.compare(t, machine, placed, g, c.Dtype)
				for name, d := range before {
					require.Equal(t, d.Data(), l.State()[name].Data(), "%s after evaluation", name)
				}
			})
		}
	}
	require.Len(t, seen, 10)
}

// copy2 writes values to a statistic's own memory.
func copy2(d *tensor.Dense, values []float64) {
	switch data := d.Data().(type) {
	case []float32:
		copy(data, as(tensor.Float32, values).([]float32))
	case []float64:
		copy(data, values)
	}
}

// batchNormGradients compares a BatchNorm's gradients with finite differences.
func batchNormGradients(t *testing.T, features int, shape []int, mode Mode, mask []int, opts ...Option) {
	rng := rand.New(rand.NewPCG(4, 4))
	build := func(g *G.ExprGraph) *BatchNorm {
		l, err := NewBatchNorm(G.NewGraph(), features, append(opts, f64)...)
		require.NoError(t, err)
		if l.RunningMean() != nil {
			for i := range l.RunningMean().Float64s() {
				l.RunningMean().Float64s()[i], l.RunningVar().Float64s()[i] = 0.3*float64(i), 0.5+float64(i)
			}
		}
		placed, err := l.On(g, mode)
		require.NoError(t, err)
		return placed.(*BatchNorm)
	}
	values := []any{normals(rng, tensor.Shape(shape).TotalSize(), 0.5, 1.5)}
	for _, w := range build(G.NewGraph()).Learnables() {
		values = append(values, normals(rng, w.Shape().TotalSize(), 0.7, 0.5))
	}
	checkGradients(t, values, func(t *testing.T, g *G.ExprGraph, values []any) testLayer {
		l := build(g)
		x := input(g, "x", tensor.Float64, values[0], shape...)
		for i, w := range l.Learnables() {
			overwrite(w, values[i+1].([]float64))
		}
		return testLayer{append(G.Nodes{x}, l.Learnables()...), func() (*G.Node, error) {
			if mask == nil {
				return l.Forward(x)
			}
			at := (l.axis + len(shape)) % len(shape)
			without := append(append([]int{}, shape[:at]...), shape[at+1:]...)
			return l.ForwardMasked(x, input(g, "mask", tensor.Int, mask, without...))
		}}
	})
}

func TestBatchNormOptionsGradients(t *testing.T) {
	mask := []int{1, 0, 2, -1, 0, 1, 1, 0}
	for _, c := range []struct {
		name     string
		features int
		shape    []int
		mode     Mode
		mask     []int
		opts     []Option
	}{
		{"axis 1", 3, []int{2, 3, 2, 2}, Training, nil, []Option{WithAxis(1)}},
		{"axis -2, evaluation", 3, []int{2, 3, 4}, Evaluation, nil, []Option{WithAxis(-2)}},
		{"axis 0", 2, []int{2, 5}, Training, nil, []Option{WithAxis(0)}},
		{"no affine", 3, []int{5, 3}, Training, nil, []Option{WithoutAffine()}},
		{"untracked, evaluation", 3, []int{5, 3}, Evaluation, nil, []Option{WithoutTracking()}},
		{"frozen", 3, []int{5, 3}, Training, nil, []Option{WithFrozenStatistics()}},
		{"positions", 3, []int{4, 2, 3}, Training, nil, []Option{WithPositions(2)}},
		{"positions, no bias", 3, []int{4, 2, 3}, Training, nil, []Option{WithPositions(2), WithoutBias()}},
		{"fewer positions, evaluation", 3, []int{4, 2, 3}, Evaluation, nil, []Option{WithPositions(5)}},
		{"mask", 3, []int{2, 4, 3}, Training, mask, nil},
		{"mask, no affine", 3, []int{8, 3}, Training, mask, []Option{WithoutAffine()}},
		{"mask, no bias", 3, []int{8, 3}, Training, mask, []Option{WithoutBias()}},
		{"mask, axis 1", 3, []int{2, 3, 2, 2}, Training, mask, []Option{WithAxis(1)}},
		{"mask, evaluation", 3, []int{8, 3}, Evaluation, mask, nil},
		{"mask of none, evaluation", 3, []int{8, 3}, Evaluation, make([]int, 8), nil},
	} {
		t.Run(c.name, func(t *testing.T) { batchNormGradients(t, c.features, c.shape, c.mode, c.mask, c.opts...) })
	}
}

// TestMaskedRowsDoNotMatter even if they hold NaN. Their gradient is 0.
func TestMaskedRowsDoNotMatter(t *testing.T) {
	run := func(values []float64) (y []float64, grads [][]float64, statistics State) {
		g := G.NewGraph()
		l, err := NewBatchNorm(g, 2, f64)
		require.NoError(t, err)
		x := input(g, "x", tensor.Float64, values, 4, 2)
		mask := input(g, "mask", tensor.Int, []int{1, 0, 1, 1}, 4)
		y, grads = gradients(t, "tape", testLayer{append(G.Nodes{x}, l.Learnables()...), func() (*G.Node, error) {
			return l.ForwardMasked(x, mask)
		}}, []float64{1, 2, 3, 4, 5, 6, 7, 9})
		return y, grads, l.State()
	}
	y, grads, statistics := run([]float64{1, 2, 8, 9, 3, 5, 7, 7})
	yNaN, gradsNaN, statisticsNaN := run([]float64{1, 2, math.NaN(), math.Inf(1), 3, 5, 7, 7})
	require.Equal(t, y, yNaN)
	require.Equal(t, grads, gradsNaN)
	require.Equal(t, statistics["running_var"].Data(), statisticsNaN["running_var"].Data())
	require.Equal(t, []float64{0, 0}, y[2:4])
	require.Equal(t, []float64{0, 0}, grads[0][2:4])
	require.InDelta(t, 0.1*(1+3+7)/3, statistics["running_mean"].Float64s()[0], 1e-15)
}

// TestAMaskMayChangeBetweenRuns without a trace of the last one.
func TestAMaskMayChangeBetweenRuns(t *testing.T) {
	g := G.NewGraph()
	l, err := NewBatchNorm(g, 2, f64)
	require.NoError(t, err)
	values := normals(rand.New(rand.NewPCG(6, 6)), 10, 0, 1)
	x, mask := input(g, "x", tensor.Float64, values, 5, 2), input(g, "mask", tensor.Int, make([]int, 5), 5)
	y, err := l.ForwardMasked(x, mask)
	require.NoError(t, err)
	cost := dot(t, y, normals(rand.New(rand.NewPCG(7, 7)), 10, 0, 1))
	vm := newMachine(t, "tape", cost, G.Nodes{x})
	defer vm.Close()
	run := func(counted ...int) ([]float64, []float64) {
		copy(mask.Value().Data().([]int), counted)
		require.NoError(t, vm.RunAll())
		defer vm.Reset()
		return float64s(y.Value()), takeGrads(t, G.Nodes{x})[0]
	}
	wantY, wantDx := run(1, 1, 1, 0, 0)
	run(0, 0, 1, 1, 1)
	gotY, gotDx := run(1, 1, 1, 0, 0)
	require.Equal(t, wantY, gotY)
	require.Equal(t, wantDx, gotDx)
	require.Equal(t, make([]float64, 4), gotDx[6:])
}

// TestNoTokenSeesTheFutureThroughPositions requires that y at a position does not depend on x at
// others. If positions share their statistics, it does.
func TestNoTokenSeesTheFutureThroughPositions(t *testing.T) {
	run := func(last float64, opts ...Option) []float64 {
		g := G.NewGraph()
		l, err := NewBatchNorm(g, 1, append(opts, f64)...)
		require.NoError(t, err)
		x := input(g, "x", tensor.Float64, []float64{1, 2, 5, 7, last, 3}, 2, 3, 1)
		y, err := l.Forward(x)
		require.NoError(t, err)
		vm := G.NewTapeMachine(g)
		defer vm.Close()
		require.NoError(t, vm.RunAll())
		all := float64s(y.Value())
		return []float64{all[0], all[3]} // those of the first position
	}
	require.Equal(t, run(1, WithPositions(3)), run(100, WithPositions(3)))
	require.NotEqual(t, run(1), run(100))
}

func TestFrozenInATrainingGraphIsEvaluation(t *testing.T) {
	build := func(l *BatchNorm, mode Mode) []float64 {
		g := G.NewGraph()
		placed, err := l.On(g, mode)
		require.NoError(t, err)
		x := newX(g, 5, 3)
		forward := func() (*G.Node, error) { return placed.Forward(x) }
		dy := normals(rand.New(rand.NewPCG(1, 2)), 15, 0, 1)
		y, grads := gradients(t, "tape", testLayer{G.Nodes{x}, forward}, dy)
		return append(y, grads[0]...)
	}
	state := func(l *BatchNorm) State {
		s := l.State()
		copy(s["running_mean"].Float64s(), []float64{1, 2, 3})
		copy(s["running_var"].Float64s(), []float64{4, 5, 6})
		return s
	}
	frozen, err := NewBatchNorm(G.NewGraph(), 3, f64, WithFrozenStatistics())
	require.NoError(t, err)
	usual, err := NewBatchNorm(G.NewGraph(), 3, f64)
	require.NoError(t, err)
	require.NoError(t, frozen.Load(state(frozen)))
	require.NoError(t, usual.Load(state(usual)))
	want := build(usual, Evaluation)
	require.Equal(t, want, build(frozen, Training))
	require.Equal(t, want, build(frozen, Evaluation))
	require.Equal(t, state(frozen)["running_var"].Data(), frozen.State()["running_var"].Data())
	require.Equal(t, []int64{0}, frozen.State()["num_batches_tracked"].Data())
}

func TestBatchNormSaysWhatItCannotDo(t *testing.T) {
	g := G.NewGraph()
	node := func(dt tensor.Dtype, shape ...int) *G.Node {
		return G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName(fmt.Sprint(dt, shape)))
	}
	x, float := node(tensor.Float32, 2, 3, 4), func(shape ...int) *G.Node { return node(tensor.Float32, shape...) }
	made := func(opts ...Option) *BatchNorm {
		l, err := NewBatchNorm(g, 4, append(opts, WithName(fmt.Sprint("l", len(g.AllNodes()))))...)
		require.NoError(t, err)
		l.name = "BatchNorm"
		return l
	}
	forward := func(x *G.Node, opts ...Option) error { return second(made(opts...).Forward(x)) }
	masked := func(x, mask *G.Node, opts ...Option) error { return second(made(opts...).ForwardMasked(x, mask)) }
	const oneRow = "needs 2 rows or more to compute statistics over, the input has 1 "
	for _, c := range []struct {
		err  error
		want string
	}{
		{forward(x, WithAxis(3)), "axis is 3, want one of the input's, -3 to 2 (input shape (2, 3, 4))"},
		{forward(x, WithAxis(1)), "axis 1 has size 3, want 4 (input shape (2, 3, 4))"},
		{forward(float(1, 4, 1), WithAxis(1)), oneRow + "(shape (1, 4, 1))"},
		{forward(float(1, 4), WithoutTracking()), oneRow + "(shape (1, 4))"},
		{forward(float(1, 3, 4), WithPositions(3)), oneRow + "(shape (1, 3, 4))"},
		{forward(float(6, 4), WithPositions(3)), "input shape is (6, 4), want (batch, 3, 4)"},
		{forward(x, WithPositions(5)), "the input has 3 positions, want 5 (shape (2, 3, 4))"},
		{masked(x, node(tensor.Int, 2, 3), WithPositions(3)), "WithPositions and a mask cannot be combined"},
		{masked(x, nil), "the mask is nil"},
		{masked(x, float(2, 3)), "the mask is of type float32, want int"},
		{masked(x, node(tensor.Int, 6)), "the mask has shape (6), want (2, 3) (input shape (2, 3, 4))"},
	} {
		require.EqualError(t, c.err, "layers: BatchNorm: "+c.want)
	}

	l, err := NewBatchNorm(G.NewGraph(), 4)
	require.NoError(t, err)
	g = G.NewGraph()
	placed, err := l.On(g, Training)
	require.NoError(t, err)
	rows := input(g, "x", tensor.Float32, make([]float64, 12), 3, 4)
	_, err = placed.(*BatchNorm).ForwardMasked(rows, input(g, "mask", tensor.Int, []int{0, 1, 0}, 3))
	require.NoError(t, err)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	require.ErrorContains(t, vm.RunAll(),
		"layers: BatchNorm forward: the mask leaves 1 row to compute statistics over, want 2 or more")
	require.Equal(t, []int64{0}, l.State()["num_batches_tracked"].Data(), "a failed run does not count as a batch")
}

// TestAMaskThatLeavesNoRow requires y = 0, gradients of 0 and unchanged statistics.
func TestAMaskThatLeavesNoRow(t *testing.T) {
	t.Parallel()
	for _, machine := range machines {
		t.Run(machine, func(t *testing.T) {
			g := G.NewGraph()
			l, err := NewBatchNorm(g, 2, f64)
			require.NoError(t, err)
			before := contents(l.State())
			x := input(g, "x", tensor.Float64, []float64{1, 2, math.NaN(), 4, 5, math.Inf(1)}, 3, 2)
			y, err := l.ForwardMasked(x, input(g, "mask", tensor.Int, []int{0, 0, 0}, 3))
			require.NoError(t, err)
			wrt := append(G.Nodes{x}, l.Learnables()...)
			vm := newMachine(t, machine, dot(t, y, []float64{1, 2, 3, 4, 5, 6}), wrt)
			defer vm.Close()
			require.NoError(t, vm.RunAll())
			require.Equal(t, make([]float64, 6), float64s(y.Value()))
			for _, n := range wrt {
				d, err := n.Grad()
				require.NoError(t, err)
				require.Equal(t, make([]float64, n.Shape().TotalSize()), float64s(d))
			}
			require.Equal(t, before, contents(l.State()))
			require.Zero(t, l.Moments().Count)
		})
	}
}

// TestABatchThatIsNotFiniteLeavesRunningStatistics of BatchNorm and InstanceNorm unchanged, and
// their count.
func TestABatchThatIsNotFiniteLeavesRunningStatistics(t *testing.T) {
	t.Parallel()
	layers := map[string]func(g *G.ExprGraph, opts ...Option) (Layer, error){
		"BatchNorm": func(g *G.ExprGraph, opts ...Option) (Layer, error) { return NewBatchNorm(g, 2, opts...) },
		"InstanceNorm": func(g *G.ExprGraph, opts ...Option) (Layer, error) {
			return NewInstanceNorm(g, 2, append(opts, WithTracking())...)
		},
	}
	for kind, build := range layers {
		for batch, c := range map[string]struct {
			x     []float64
			opts  []Option
			leave bool
		}{
			"NaN":                      {[]float64{1, 1, math.NaN(), 2, 3, 3, 2, 4}, nil, true},
			"infinity":                 {[]float64{1, 1, math.Inf(1), 2, 3, 3, 2, 4}, nil, true},
			"variance beyond float32":  {[]float64{1e25, 1, -1e25, 2, 3e25, 3, 2e25, 4}, nil, true},
			"the same in float64":      {[]float64{1e25, 1, -1e25, 2, 3e25, 3, 2e25, 4}, []Option{f64}, false},
			"variance beyond float64":  {[]float64{1e200, 1, -1e200, 2, 3e200, 3, 2e200, 4}, []Option{f64}, true},
			"largest float32 variance": {[]float64{1e19, 1, -1e19, 2, 1e19, 3, -1e19, 4}, nil, false},
		} {
			t.Run(kind+"/"+batch, func(t *testing.T) {
				g := G.NewGraph()
				l, err := build(g, c.opts...)
				require.NoError(t, err)
				require.NoError(t, l.Load(randomState(l, rand.New(rand.NewPCG(1, 2)))))
				before := contents(l.State())
				dt := tensor.Float32
				if c.opts != nil {
					dt = tensor.Float64
				}
				_, err = l.Forward(input(g, "x", dt, c.x, 2, 2, 2))
				require.NoError(t, err)
				vm := G.NewTapeMachine(g)
				defer vm.Close()
				require.NoError(t, vm.RunAll())
				if c.leave {
					require.Equal(t, before, contents(l.State()))
				} else {
					require.NotEqual(t, before, contents(l.State()))
				}
			})
		}
	}
}
