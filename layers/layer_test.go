package layers

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// constructor makes a layer whose other arguments are fixed.
type constructor = func(g *G.ExprGraph, opts ...Option) (Layer, error)

// every holds a constructor of each layer of one input, for 4 features.
var every = func() map[string]constructor {
	all := map[string]constructor{
		"Linear": func(g *G.ExprGraph, opts ...Option) (Layer, error) {
			return NewLinear(g, 4, 4, Normal(rand.NewPCG(1, 1), 1), opts...)
		},
		"Embedding": func(g *G.ExprGraph, opts ...Option) (Layer, error) {
			return NewEmbedding(g, 5, 4, Normal(rand.NewPCG(1, 1), 1), opts...)
		},
		"GELU": func(_ *G.ExprGraph, opts ...Option) (Layer, error) { return NewGELU(opts...) },
		"CausalSelfAttention": func(_ *G.ExprGraph, opts ...Option) (Layer, error) {
			return NewCausalSelfAttention(1, opts...)
		},
		"Identity": func(_ *G.ExprGraph, opts ...Option) (Layer, error) { return NewIdentity(opts...) },
	}
	for _, n := range norms {
		all[n.kind] = func(g *G.ExprGraph, opts ...Option) (Layer, error) { return n.make(g, 4, opts...) }
	}
	return all
}()

var errSample = errors.New("sample")

// learnables holds the endings of the names of each layer's learnables, in their order.
var learnables = func() map[string][]string {
	all := map[string][]string{"Linear": {"weight", "bias"}, "Embedding": {"weight"}}
	for _, n := range norms {
		all[n.kind] = n.learnables
	}
	return all
}()

func TestLearnablesAreNamedAndNumbered(t *testing.T) {
	for kind, build := range every {
		t.Run(kind, func(t *testing.T) {
			g := G.NewGraph()
			names := []string{kind, kind + "_1", kind + "_2", "mine"}
			for i, name := range names {
				var opts []Option
				if i == 3 {
					opts = append(opts, WithName("mine"))
				}
				l, err := build(g, opts...)
				require.NoError(t, err)
				if len(learnables[kind]) > 0 {
					require.Equal(t, name, l.Name())
				}
				require.Equal(t, l.Learnables(), l.Model())
				var got []string
				for _, n := range l.Learnables() {
					require.Same(t, g, n.Graph())
					got = append(got, n.Name())
				}
				var want []string
				for _, suffix := range learnables[kind] {
					want = append(want, name+"."+suffix)
				}
				require.Equal(t, want, got)
			}
			if len(learnables[kind]) > 0 {
				_, err := build(g, WithName("mine"))
				require.ErrorContains(t, err, "the graph has a node mine.weight already")
				l, err := build(G.NewGraph(), WithName("mine"))
				require.NoError(t, err)
				_, err = l.On(g, Training)
				require.ErrorContains(t, err, "the graph has a node mine.weight already")
			}
		})
	}
}

func TestGammaStartsAtOneAndBetaAtZero(t *testing.T) {
	for _, n := range norms {
		l, err := n.make(G.NewGraph(), 4)
		require.NoError(t, err)
		for _, w := range l.Learnables() {
			switch w.Name() {
			case n.kind + ".weight":
				want := []float64{1, 1, 1, 1}
				if n.scalar {
					want = want[:1]
				}
				require.Equal(t, tensor.Shape{len(want)}, w.Shape(), n.kind)
				require.Equal(t, want, float64s(w.Value()), n.kind)
			case n.kind + ".bias":
				require.Equal(t, tensor.Shape{4}, w.Shape(), n.kind)
				require.Equal(t, []float64{0, 0, 0, 0}, float64s(w.Value()), n.kind)
			}
		}
	}
	l, err := NewRMSNorm(G.NewGraph(), 4, WithZeroCentredGain())
	require.NoError(t, err)
	require.Equal(t, []float32{0, 0, 0, 0}, l.Learnables()[0].Value().Data(), "a gain of 1")
}

// TestSecondGraphSharesWeights changes a weight in place on one graph and expects another result on
// the other.
func TestSecondGraphSharesWeights(t *testing.T) {
	for kind := range learnables {
		t.Run(kind, func(t *testing.T) {
			g, g2 := G.NewGraph(), G.NewGraph()
			l, err := every[kind](g)
			require.NoError(t, err)
			l2, err := l.On(g2, Evaluation)
			require.NoError(t, err)
			require.Equal(t, l.Name(), l2.Name())
			x := input(g2, "x", tensor.Float32, []float64{1, 2, 4, 8, 1, 3, 5, 7}, 2, 4)
			if kind == "Embedding" {
				x = input(g2, "x", tensor.Int, []int{0, 3}, 2)
			}
			y, err := l2.Forward(x)
			require.NoError(t, err)
			vm := G.NewTapeMachine(g2)
			defer vm.Close()
			require.NoError(t, vm.RunAll())
			before := float64s(y.Value())
			vm.Reset()
			for _, n := range l.Learnables() {
				w := n.Value().Data().([]float32)
				for i := range w {
					w[i] += 0.5
				}
			}
			require.NoError(t, vm.RunAll())
			require.NotEqual(t, before, float64s(y.Value()))
		})
	}
}

// TestUnbindAllOnOneGraphKeepsTheOther makes new tensors afterwards, because Gorgonia reuses unbound
// ones for them.
func TestUnbindAllOnOneGraphKeepsTheOther(t *testing.T) {
	for kind := range learnables {
		t.Run(kind, func(t *testing.T) {
			l, err := every[kind](G.NewGraph())
			require.NoError(t, err)
			g2 := G.NewGraph()
			_, err = l.On(g2, Evaluation)
			require.NoError(t, err)
			var before [][]float64
			for _, n := range l.Learnables() {
				before = append(before, float64s(n.Value()))
			}
			g2.UnbindAll()
			for range 4 {
				tensor.New(tensor.WithShape(4), tensor.WithBacking([]float32{9, 9, 9, 9}))
			}
			for i, n := range l.Learnables() {
				require.Equal(t, before[i], float64s(n.Value()))
			}
		})
	}
}

// TestARunDoesNotDependOnEarlierRuns runs other values in between. Only BatchNorm's running
// statistics keep something of a run, and training does not read them.
func TestARunDoesNotDependOnEarlierRuns(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for kind, build := range every {
		if kind == "Embedding" || kind == "Identity" {
			continue // the input is ids; there is no operation
		}
		for _, machine := range machines {
			t.Run(kind+"/"+machine, func(t *testing.T) {
				g := G.NewGraph()
				l, err := build(g)
				require.NoError(t, err)
				shape, out := []int{2, 3, 4}, 2*3*4
				if kind == "CausalSelfAttention" {
					shape, out = []int{2, 3, 12}, 2*3*4
				}
				x, upstream := normals(rng, tensor.Shape(shape).TotalSize(), 1, 2), normals(rng, out, 0, 1)
				step := newSteps(t, machine, g, l, tensor.Float32, shape)
				y, grads := step(x, upstream)
				step(other(x), upstream)
				y2, grads2 := step(x, upstream)
				require.Equal(t, y, y2)
				require.Equal(t, grads, grads2)
			})
		}
	}
}

func other(x []float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[len(x)-1-i] = 3*v - 1
	}
	return y
}

// TestTwoCostsOnOneGraphHaveGradients, one with and one without the layer.
func TestTwoCostsOnOneGraphHaveGradients(t *testing.T) {
	for kind, build := range every {
		if kind == "Embedding" || kind == "CausalSelfAttention" || kind == "Identity" {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			g := G.NewGraph()
			l, err := build(g)
			require.NoError(t, err)
			x := input(g, "x", tensor.Float32, normals(rand.New(rand.NewPCG(1, 1)), 12, 0, 1), 3, 4)
			y, err := l.Forward(x)
			require.NoError(t, err)
			_, err = G.Grad(G.Must(G.Sum(G.Must(G.Square(y)))), append(G.Nodes{x}, l.Learnables()...)...)
			require.NoError(t, err)
			w := input(g, "w", tensor.Float32, []float64{1, 2, 3}, 3)
			_, err = G.Grad(G.Must(G.Sum(G.Must(G.Square(w)))), w)
			require.NoError(t, err)
		})
	}
}

func TestConstantsAreAcceptedAsInputs(t *testing.T) {
	g := G.NewGraph()
	l, err := every["Embedding"](g)
	require.NoError(t, err)
	ids := tensor.New(tensor.WithShape(2), tensor.WithBacking([]int{4, 1}))
	y, err := l.Forward(G.NewConstant(ids, G.WithName("positions")))
	require.NoError(t, err)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	require.NoError(t, vm.RunAll())
	table := float64s(l.Learnables()[0].Value())
	require.Equal(t, append(table[16:20:20], table[4:8]...), float64s(y.Value()))

	gelu, err := NewGELU()
	require.NoError(t, err)
	_, err = gelu.Forward(G.NewConstant(tensor.New(tensor.WithShape(2), tensor.WithBacking([]float32{1, 2}))))
	require.ErrorContains(t, err, "layers: GELU forward: no input belongs to a graph")
}

// TestDefaultsEqualTheDocumentedOptions compares a layer without options to one with the defaults of
// the documentation's table.
func TestDefaultsEqualTheDocumentedOptions(t *testing.T) {
	for _, c := range []struct {
		kind string
		dt   tensor.Dtype
		opts []Option
	}{
		{"BatchNorm", tensor.Float32, []Option{WithEps(1e-5), WithMomentum(0.1)}},
		{"LayerNorm", tensor.Float64, []Option{WithEps(1e-5)}},
		{"RMSNorm", tensor.Float32, []Option{WithEps(0x1p-23)}},
		{"RMSNorm", tensor.Float64, []Option{WithEps(0x1p-52)}},
	} {
		t.Run(c.kind+"/"+c.dt.String(), func(t *testing.T) {
			var y, statistics [2][]float64
			for i, opts := range [][]Option{nil, c.opts} {
				g := G.NewGraph()
				l, err := every[c.kind](g, append(opts, WithDtype(c.dt))...)
				require.NoError(t, err)
				step := newSteps(t, "tape", g, l, c.dt, []int{2, 4})
				// the values are so small that only eps counts under the root
				y[i], _ = step([]float64{1e-9, 2e-9, 3e-9, 5e-9, -1e-9, 1e-9, 2e-9, 1e-9}, make([]float64, 8))
				if b, ok := l.(*BatchNorm); ok {
					statistics[i] = append(float64s(b.RunningMean()), float64s(b.RunningVar())...)
				}
			}
			require.NotContains(t, y[0], 0.0)
			require.Equal(t, y[1], y[0])
			require.Equal(t, statistics[1], statistics[0])
		})
	}
}

func TestLayersComposeByFwd(t *testing.T) {
	g := G.NewGraph()
	x := input(g, "x", tensor.Float32, normals(rand.New(rand.NewPCG(1, 1)), 8, 0, 1), 2, 4)
	var chain []Layer
	for _, kind := range append(kindsWhere(anyNorm), "Linear", "GELU", "Identity") {
		l, err := every[kind](g)
		require.NoError(t, err)
		chain = append(chain, l)
	}
	var y G.Input = x
	for _, l := range chain {
		r := l.Fwd(y)
		require.NoError(t, r.Err())
		y = r
	}
	targets := input(g, "targets", tensor.Int, []int{1, 3}, 2)
	ce, err := NewCrossEntropy()
	require.NoError(t, err)
	loss := ce.Fwd(G.Nodes{y.Node(), targets})
	require.NoError(t, loss.Err())
	require.True(t, loss.Node().IsScalar())

	failed := G.Err(errSample)
	for _, l := range chain {
		require.ErrorIs(t, l.Fwd(failed).Err(), errSample)
	}
	require.ErrorIs(t, ce.Fwd(failed).Err(), errSample)
	require.ErrorContains(t, ce.Fwd(x).Err(), "got 1 nodes, want 2: logits and targets")
}

func TestErrorsNameWhatIsAndWhatShouldBe(t *testing.T) {
	g := G.NewGraph()
	float := func(shape ...int) *G.Node {
		return G.NewTensor(g, tensor.Float32, len(shape), G.WithShape(shape...), G.WithName("float"))
	}
	ints := G.NewTensor(g, tensor.Int, 2, G.WithShape(3, 4), G.WithName("ints"))
	double := G.NewTensor(g, tensor.Float64, 2, G.WithShape(3, 4), G.WithName("double"))
	scalar := G.NewScalar(g, tensor.Float32, G.WithName("scalar"))
	elsewhere := G.NewTensor(G.NewGraph(), tensor.Float32, 2, G.WithShape(3, 4), G.WithName("elsewhere"))
	forward := func(kind string, x *G.Node) error {
		l, err := every[kind](g)
		require.NoError(t, err)
		_, err = l.Forward(x)
		return err
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{forward("LayerNorm", float(32, 3)), "layers: LayerNorm: last dimension is 3, want 4 (input shape (32, 3))"},
		{forward("RMSNorm", scalar), "layers: RMSNorm: last dimension is missing, want 4 (input shape ())"},
		{forward("BatchNorm", double), "layers: BatchNorm: the input is of type float64, want float32: " +
			"WithDtype(tensor.Float64) makes a layer for such inputs"},
		{forward("Linear", elsewhere),
			"layers: Linear: the input is a node of another graph: place the layer there with On"},
		{forward("GELU", nil), "layers: GELU: the input is nil"},
		{forward("GELU", ints), "layers: GELU: no input of type float32 or float64"},
		{forward("Embedding", double), "layers: Embedding: ids are of type float64, want int"},
		{forward("CausalSelfAttention", float(2, 12)), "layers: CausalSelfAttention: " +
			"input shape is (2, 12), want (batch, time, 3·channels) with channels a multiple of 1 heads"},
		{crossEntropyOf(float(3, 5), double), "layers: CrossEntropy: targets are of type float64, want int"},
		{crossEntropyOf(float(3, 5), ints),
			"layers: CrossEntropy: targets have shape (3, 4), want (3) (logits have shape (3, 5))"},
	} {
		require.EqualError(t, c.err, c.want)
	}
}

func second[L any](_ L, err error) error { return err }

func crossEntropyOf(logits, targets *G.Node) error {
	l, err := NewCrossEntropy()
	if err == nil {
		_, err = l.Forward(logits, targets)
	}
	return err
}

func TestIdsOutOfRangeFailTheRun(t *testing.T) {
	run := func(build func(g *G.ExprGraph, ids *G.Node) error) error {
		g := G.NewGraph()
		require.NoError(t, build(g, input(g, "ids", tensor.Int, []int{0, 5}, 2)))
		vm := G.NewTapeMachine(g)
		defer vm.Close()
		return vm.RunAll()
	}
	require.ErrorContains(t, run(func(g *G.ExprGraph, ids *G.Node) error {
		l, err := every["Embedding"](g, WithName("wte"))
		require.NoError(t, err)
		_, err = l.Forward(ids)
		return err
	}), "layers: Embedding wte forward: id 1 is 5, want it in [0, 5)")
	require.ErrorContains(t, run(func(g *G.ExprGraph, ids *G.Node) error {
		return crossEntropyOf(input(g, "logits", tensor.Float32, make([]float64, 6), 2, 3), ids)
	}), "layers: CrossEntropy forward: target 1 is 5, want it in [0, 3)")
}

// TestARowOfOneFeatureBecomesBeta, because the feature is its own mean.
func TestARowOfOneFeatureBecomesBeta(t *testing.T) {
	g := G.NewGraph()
	l, err := NewLayerNorm(g, 1)
	require.NoError(t, err)
	overwrite(l.Learnables()[1], []float64{0.25})
	x := input(g, "x", tensor.Float32, []float64{3, -1e6, 1e-20}, 3, 1)
	layer := testLayer{G.Nodes{x}, func() (*G.Node, error) { return l.Forward(x) }}
	y, grads := gradients(t, "tape", layer, []float64{1, 2, 3})
	require.Equal(t, []float64{0.25, 0.25, 0.25}, y)
	require.Equal(t, []float64{0, 0, 0}, grads[0])
}

func TestPartOfFeaturesIgnoresTheRoundingOfP(t *testing.T) {
	for _, c := range []struct {
		p              float64
		features, part int
	}{
		{0.07, 100, 7}, {0.14, 50, 7}, {0.28, 25, 7}, {0.25, 7, 2}, {0.0625, 64, 4}, {1e-300, 5, 1}, {1, 9, 9},
		{0.99, 9, 9},
	} {
		require.Equal(t, c.part, partOf(c.features, c.p), "%+v", c)
	}
}
