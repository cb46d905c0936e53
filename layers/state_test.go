package layers

import (
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// stateNames holds the keys of the state_dict() of torch.nn's modules, sorted.
var stateNames = func() map[string][]string {
	all := map[string][]string{
		"Linear": {"bias", "weight"}, "Embedding": {"weight"},
		"QKNorm": {"key.bias", "key.weight", "query.bias", "query.weight"},
	}
	for _, n := range norms {
		all[n.kind] = n.stateNames()
	}
	return all
}()

// everyAndQKNorm returns every, and QKNorm.
func everyAndQKNorm() map[string]func(g *G.ExprGraph, opts ...Option) (Layer, error) {
	all := maps.Clone(every)
	all["QKNorm"] = func(g *G.ExprGraph, opts ...Option) (Layer, error) {
		query, err := layerNorms(4, opts...)(g, "q_norm")
		if err != nil {
			return nil, err
		}
		key, err := layerNorms(4, opts...)(g, "k_norm")
		if err != nil {
			return nil, err
		}
		return NewQKNorm(1, query, key)
	}
	return all
}

// memory returns the tensors that a layer works with, taken from the nodes themselves.
func memory(l Layer) (all []*tensor.Dense) {
	for _, n := range l.Learnables() {
		all = append(all, n.Value().(*tensor.Dense))
	}
	if b, ok := l.(*BatchNorm); ok {
		all = append(all, b.RunningMean(), b.RunningVar())
	}
	return all
}

func values(l Layer) (v [][]float64) {
	for _, d := range memory(l) {
		v = append(v, float64s(d))
	}
	return v
}

// randomize sets a layer's weights and statistics to numbers in (0, 1).
func randomize(l Layer, seed uint64) {
	rng := rand.New(rand.NewPCG(14, seed))
	for _, d := range memory(l) {
		for i := range d.Shape().TotalSize() {
			if d.Dtype() == tensor.Float32 {
				d.Float32s()[i] = rng.Float32()
			} else {
				d.Float64s()[i] = rng.Float64()
			}
		}
	}
}

// evaluation places a layer for evaluation and returns a function that runs it.
func evaluation(t *testing.T, kind string, l Layer, dt tensor.Dtype) func() []float64 {
	t.Helper()
	g := G.NewGraph()
	placed, err := l.On(g, Evaluation)
	require.NoError(t, err)
	x := input(g, "x", dt, normals(rand.New(rand.NewPCG(15, 15)), 24, 0, 1), 1, 2, 12)
	switch kind {
	case "Embedding":
		x = input(g, "x", tensor.Int, []int{0, 4, 2}, 3)
	case "QKNorm", "CausalSelfAttention":
	default:
		x = input(g, "rows", dt, float64s(x.Value()), 6, 4)
	}
	y, err := placed.Forward(x)
	require.NoError(t, err)
	vm := G.NewTapeMachine(g)
	t.Cleanup(func() { vm.Close() })
	return func() []float64 {
		require.NoError(t, vm.RunAll())
		defer vm.Reset()
		return float64s(y.Value())
	}
}

// TestLayersWithEqualStatesComputeTheSame loads one layer's state into another.
func TestLayersWithEqualStatesComputeTheSame(t *testing.T) {
	for kind, build := range everyAndQKNorm() {
		for name, dt := range dtypes {
			t.Run(kind+"/"+name, func(t *testing.T) {
				opts := []Option{WithDtype(dt)}
				if stateNames[kind] == nil {
					opts = nil
				}
				a, err := build(G.NewGraph(), opts...)
				require.NoError(t, err)
				b, err := build(G.NewGraph(), opts...)
				require.NoError(t, err)
				randomize(a, 1)
				randomize(b, 2)
				ya, yb := evaluation(t, kind, a, dt), evaluation(t, kind, b, dt)
				want := ya()

				state := a.State()
				require.Equal(t, stateNames[kind], slices.Sorted(maps.Keys(state)))
				if len(state) > 0 {
					require.NotEqual(t, want, yb(), "the layers differ")
				}
				require.NoError(t, b.Load(state))
				require.Equal(t, want, yb(), "a placement made before, and run")
				require.Equal(t, want, evaluation(t, kind, b, dt)(), "a placement made after")
				require.Equal(t, values(a), values(b))

				randomize(b, 3)
				require.Equal(t, want, ya(), "the layers share no memory")
				placed, err := a.On(G.NewGraph(), Training)
				require.NoError(t, err)
				require.NoError(t, placed.Load(b.State()))
				require.Equal(t, yb(), ya(), "loaded through a placement")
			})
		}
	}
}

func TestLoadUndoesTraining(t *testing.T) {
	const rows = 6
	// InstanceNorm's x̂ of rows are 0.
	for _, kind := range append(kindsWhere(func(n normSpec) bool { return n.kind != "InstanceNorm" }), "Linear") {
		for _, machine := range machines {
			t.Run(kind+"/"+machine, func(t *testing.T) {
				g := G.NewGraph()
				l, err := every[kind](g)
				require.NoError(t, err)
				y := evaluation(t, kind, l, tensor.Float32)
				x := input(g, "x", tensor.Float32, normals(rand.New(rand.NewPCG(16, 16)), rows*4, 1, 2), rows, 4)
				out, err := l.Forward(x)
				require.NoError(t, err)
				vm := newMachine(t, machine, G.Must(G.Sum(G.Must(G.Square(out)))), l.Learnables())
				defer vm.Close()
				solver := G.NewAdamSolver(G.WithLearnRate(0.1))
				step := func() {
					require.NoError(t, vm.RunAll())
					require.NoError(t, solver.Step(G.NodesToValueGrads(l.Learnables())))
					vm.Reset()
				}
				step() // nodes now hold gradients, and the solver moments
				before, kept, state := y(), values(l), l.State()
				moved := func() {
					for _, v := range values(l) {
						require.NotContains(t, kept, v)
					}
					require.NotEqual(t, before, y())
				}
				if machine == "tape" { // a LispMachine runs once
					step()
				} else {
					randomize(l, 4)
				}
				moved()
				require.NoError(t, l.Load(state))
				require.Equal(t, kept, values(l))
				require.Equal(t, before, y())
				if machine == "tape" {
					step()
					moved()
				}
			})
		}
	}
}

// TestLoadReadsEveryLayout loads views into a Linear.
func TestLoadReadsEveryLayout(t *testing.T) {
	big := tensor.New(tensor.WithShape(4, 3), tensor.WithBacking([]float32{1, 4, 10, 2, 5, 20, 3, 6, 30, 0, 0, 0}))
	column, err := big.Slice(G.S(0, 2), G.S(2))
	require.NoError(t, err)
	transposed := big.Clone().(*tensor.Dense)
	require.NoError(t, transposed.T())
	view, err := transposed.Slice(G.S(0, 2), G.S(0, 3))
	require.NoError(t, err)
	l, err := NewLinear(G.NewGraph(), 3, 2, constant(0))
	require.NoError(t, err)
	require.NoError(t, l.Load(State{"weight": view.(*tensor.Dense), "bias": column.(*tensor.Dense)}))
	require.Equal(t, [][]float64{{1, 2, 3, 4, 5, 6}, {10, 20}}, values(l))

	// a node whose value a user has set to a transposed tensor
	own := tensor.New(tensor.WithShape(3, 2), tensor.WithBacking([]float32{1, 4, 2, 5, 3, 6}))
	require.NoError(t, own.T())
	require.NoError(t, G.Let(l.Learnables()[0], own))
	state := l.State()
	require.Equal(t, []float32{1, 2, 3, 4, 5, 6}, state["weight"].Data())
	state["weight"].Float32s()[1] = 7
	require.NoError(t, l.Load(state))
	require.Equal(t, []float32{1, 4, 7, 5, 3, 6}, own.Data())
}

func float32s(x ...float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(len(x)), tensor.WithBacking(x))
}

func TestAFailedLoadChangesNothing(t *testing.T) {
	double := tensor.New(tensor.WithShape(4), tensor.WithBacking(make([]float64, 4)))
	column := tensor.New(tensor.WithShape(4, 1), tensor.WithBacking(make([]float32, 4)))
	ones, qk := float32s(1, 1, 1, 1), everyAndQKNorm()["QKNorm"]
	for _, c := range []struct {
		build constructor
		opts  []Option
		state State
		want  string
	}{
		{every["LayerNorm"], nil, nil, "layers: LayerNorm: cannot load the state: bias is missing; weight is missing"},
		{every["LayerNorm"], []Option{WithName("ln_1")}, State{"weight": float32s(1, 2, 3), "gain": ones},
			"layers: LayerNorm ln_1: cannot load the state: " +
				"bias is missing; gain is unexpected; weight has shape (3), want (4)"},
		{every["LayerNorm"], nil, State{"weight": ones, "bias": double},
			"layers: LayerNorm: cannot load the state: bias is of type float64, want float32"},
		{every["LayerNorm"], nil, State{"weight": tensor.New(tensor.FromScalar(int64(1))), "bias": ones},
			"layers: LayerNorm: cannot load the state: weight has shape (), want (4); weight is of type int64, want float32"},
		{every["LayerNorm"], nil, State{"weight": column, "bias": ones},
			"layers: LayerNorm: cannot load the state: weight has shape (4, 1), want (4)"},
		{every["LayerNorm"], nil, State{"weight": nil, "bias": new(tensor.Dense)},
			"layers: LayerNorm: cannot load the state: bias is nil; weight is nil"},
		{every["LayerNorm"], nil, State{"weight": ones, "bias": ones, "LayerNorm.bias": ones, "running_mean": ones},
			"layers: LayerNorm: cannot load the state: LayerNorm.bias is unexpected; running_mean is unexpected"},
		{every["BatchNorm"], nil, State{"weight": ones, "bias": ones, "running_mean": float32s(0)},
			"layers: BatchNorm: cannot load the state: running_mean has shape (1), want (4); running_var is missing"},
		{every["GELU"], nil, State{"weight": ones}, "layers: GELU: cannot load the state: weight is unexpected"},
		{qk, nil, State{"query.weight": ones, "query.bias": ones, "key.weight": double, "bias": ones},
			"layers: QKNorm: cannot load the state: " +
				"bias is unexpected; key.bias is missing; key.weight is of type float64, want float32"},
	} {
		l, err := c.build(G.NewGraph(), c.opts...)
		require.NoError(t, err)
		randomize(l, 5)
		before := values(l)
		require.EqualError(t, l.Load(c.state), c.want)
		require.Equal(t, before, values(l))
	}
	l, err := every["GELU"](G.NewGraph())
	require.NoError(t, err)
	require.NoError(t, l.Load(nil), "an empty state")
}

func TestAnUnboundLayerHasNoState(t *testing.T) {
	g := G.NewGraph()
	l, err := NewLayerNorm(g, 4)
	require.NoError(t, err)
	state := l.State()
	g.UnbindAll()
	require.Equal(t, State{"weight": nil, "bias": nil}, l.State())
	require.EqualError(t, l.Load(state), "layers: LayerNorm: cannot load the state: "+
		"bias has no memory in the layer, whose graph has been unbound; "+
		"weight has no memory in the layer, whose graph has been unbound")
}

// TestACountIsAnInt64OfAllPlacements: it keeps numbers that no float64 has, and is updated in place.
func TestACountIsAnInt64OfAllPlacements(t *testing.T) {
	l, err := NewLayerNorm(G.NewGraph(), 4)
	require.NoError(t, err)
	count := tensor.New(tensor.WithShape(1), tensor.WithBacking([]int64{0}))
	l.buffer("num_batches_tracked", count)
	placed, err := l.On(G.NewGraph(), Training)
	require.NoError(t, err)
	state := placed.State()
	count.Int64s()[0]++
	require.Equal(t, []int64{1}, placed.State()["num_batches_tracked"].Data())
	require.Equal(t, []int64{0}, state["num_batches_tracked"].Data())

	count.Int64s()[0] = 1 << 60 // float64 cannot hold 1<<60 + 1
	count.Int64s()[0]++
	state = l.State()
	count.Int64s()[0] = 0
	require.NoError(t, placed.Load(state))
	require.Equal(t, []int64{1<<60 + 1}, count.Data())
	state["num_batches_tracked"] = tensor.New(tensor.FromScalar(int64(7)))
	require.NoError(t, l.Load(state), "PyTorch's shape")
	require.Equal(t, []int64{7}, count.Data())
	state["num_batches_tracked"] = tensor.New(tensor.WithShape(1, 1), tensor.WithBacking([]int64{1}))
	require.EqualError(t, l.Load(state),
		"layers: LayerNorm: cannot load the state: num_batches_tracked has shape (1, 1), want (1)")
}

// TestAStateWithoutACountLoads, as those of Keras, Flax and PyTorch before 0.4.1.
func TestAStateWithoutACountLoads(t *testing.T) {
	for name, load := range map[string]func(l *BatchNorm, s State) error{
		"a layer": func(l *BatchNorm, s State) error { return l.Load(s) },
		"a stack": func(l *BatchNorm, s State) error {
			named := make(State)
			for n, d := range s {
				named["BatchNorm."+n] = d
			}
			return Stack{l}.Load(named)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := NewBatchNorm(G.NewGraph(), 2, WithCumulativeAverage())
			require.NoError(t, err)
			l.running.batches.Int64s()[0] = 9
			require.NoError(t, load(l, State{
				"weight": float32s(1, 2), "bias": float32s(3, 4),
				"running_mean": float32s(5, 6), "running_var": float32s(7, 8),
			}))
			got := l.State()
			require.Equal(t, []int64{0}, got["num_batches_tracked"].Data())
			require.Equal(t, []float32{7, 8}, got["running_var"].Data())
		})
	}
}

func TestLoadRefusesNegativeVariancesAndCounts(t *testing.T) {
	l, err := NewBatchNorm(G.NewGraph(), 2)
	require.NoError(t, err)
	state := l.State()
	state["running_var"] = float32s(-1, -0.5)
	state["running_mean"] = float32s(-1, 1)
	state["num_batches_tracked"] = tensor.New(tensor.WithShape(1), tensor.WithBacking([]int64{-1}))
	require.EqualError(t, l.Load(state), "layers: BatchNorm: cannot load the state: "+
		"num_batches_tracked holds -1, want 0 or more; running_var holds -1, want 0 or more")
	require.Equal(t, []float32{1, 1}, l.RunningVar().Data())
	for name, d := range map[string]*tensor.Dense{
		"running_var": float32s(1, float32(math.Inf(1))), "running_mean": float32s(float32(math.NaN()), 1),
	} {
		state := l.State()
		state[name] = d
		require.ErrorContains(t, l.Load(state), "cannot load the state: "+name+" holds ")
		require.ErrorContains(t, l.Load(state), ", want a finite number")
	}
}

func newStack(t *testing.T, seed uint64) Stack {
	t.Helper()
	g := G.NewGraph()
	var s Stack
	for _, l := range []struct{ kind, name string }{
		{"Linear", "fc"}, {"BatchNorm", "fc.norm"}, {"GELU", "gelu"}, {"QKNorm", ""}, {"RMSNorm", "ln_1"},
	} {
		var opts []Option
		if l.name != "" {
			opts = append(opts, WithName(l.name))
		}
		layer, err := everyAndQKNorm()[l.kind](g, opts...)
		require.NoError(t, err)
		randomize(layer, seed)
		s = append(s, layer)
	}
	return s
}

func stackValues(s Stack) (v [][]float64) {
	for _, l := range s {
		v = append(v, values(l)...)
	}
	return v
}

func TestAStackHasTheStatesOfItsLayers(t *testing.T) {
	a, b := newStack(t, 6), newStack(t, 7)
	state := a.State()
	require.Equal(t, []string{
		"QKNorm.key.bias", "QKNorm.key.weight", "QKNorm.query.bias", "QKNorm.query.weight",
		"fc.bias", "fc.norm.bias", "fc.norm.num_batches_tracked", "fc.norm.running_mean", "fc.norm.running_var",
		"fc.norm.weight", "fc.weight",
		"ln_1.weight",
	}, slices.Sorted(maps.Keys(state)))
	require.NoError(t, b.Load(state))
	require.Equal(t, stackValues(a), stackValues(b))
	qk := b[3].(*QKNorm)
	require.Equal(t, Stack{qk.query, qk.key}, qk.Norms())
	require.Equal(t, qk.query.Learnables()[1].Value().Data(), state["QKNorm.query.bias"].Data())
	require.Equal(t, qk.key.Learnables()[0].Value().Data(), state["QKNorm.key.weight"].Data())
	var names []string
	for _, n := range b.Learnables() {
		names = append(names, n.Name())
	}
	require.Equal(t, []string{
		"fc.weight", "fc.bias", "fc.norm.weight", "fc.norm.bias",
		"q_norm.weight", "q_norm.bias", "k_norm.weight", "k_norm.bias", "ln_1.weight",
	}, names, "nodes keep their names")
	require.Empty(t, Stack(nil).Learnables())
	require.NoError(t, Stack(nil).Load(Stack(nil).State()))
}

func TestStackLoadsAllOrNothing(t *testing.T) {
	s := newStack(t, 8)
	before, state := stackValues(s), newStack(t, 9).State()
	delete(state, "fc.norm.running_var")
	state["ln_1.weight"] = float32s(1)
	state["ln_2.weight"] = float32s(1, 1, 1, 1)
	require.EqualError(t, s.Load(state), "layers: cannot load the state: "+
		"fc.norm.running_var is missing; ln_1.weight has shape (1), want (4); ln_2.weight is unexpected")
	require.Equal(t, before, stackValues(s))

	s = append(s, s[0])
	require.Subset(t, slices.Collect(maps.Keys(s.State())), []string{"fc.weight", "fc_1.weight"})
	require.NoError(t, s.Load(s.State()))

	query, err := NewLayerNorm(G.NewGraph(), 4, WithName("QKNorm.query"))
	require.NoError(t, err)
	both := append(newStack(t, 8), query)
	require.EqualError(t, both.Load(both.State()),
		"layers: cannot load the state: more than one layer has QKNorm.query.bias, QKNorm.query.weight")

	var unlearned Stack // two layers without learnables and with one name
	for range 2 {
		l, err := NewBatchNorm(G.NewGraph(), 4, WithoutAffine())
		require.NoError(t, err)
		unlearned = append(unlearned, l)
	}
	unlearned[1].(*BatchNorm).RunningMean().Float32s()[0] = 5
	own := unlearned.State()
	require.Len(t, own, 6)
	unlearned[1].(*BatchNorm).RunningMean().Float32s()[0] = 7
	require.NoError(t, unlearned.Load(own))
	require.Equal(t, []float32{5, 0, 0, 0}, unlearned[1].(*BatchNorm).RunningMean().Float32s())
}

// refusing is a layer from outside this package that loads no state.
type refusing struct{ Layer }

func (refusing) Load(State) error { return errors.New("not today") }

func TestStackUndoesALoadThatALaterLayerRefuses(t *testing.T) {
	s := newStack(t, 10)
	s[4] = refusing{s[4]}
	before := stackValues(s[:4])
	require.EqualError(t, s.Load(newStack(t, 11).State()), "layers: not today")
	require.Equal(t, before, stackValues(s[:4]))
}
