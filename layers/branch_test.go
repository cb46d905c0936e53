package layers

import (
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// everyWithQKNorm returns constructors of every layer that has learnables.
func everyWithQKNorm(t *testing.T) map[string]func(g *G.ExprGraph) Layer {
	all := make(map[string]func(g *G.ExprGraph) Layer)
	for kind := range learnables {
		all[kind] = func(g *G.ExprGraph) Layer {
			l, err := every[kind](g, f64)
			require.NoError(t, err)
			return l
		}
	}
	all["BatchNorm"] = func(g *G.ExprGraph) Layer { // with statistics that a run does not change
		l, err := NewBatchNorm(g, 4, f64, WithMomentum(0))
		require.NoError(t, err)
		return l
	}
	all["QKNorm"] = func(g *G.ExprGraph) Layer {
		q, err := NewLayerNorm(g, 2, f64, WithName("q"))
		require.NoError(t, err)
		k, err := NewRMSNorm(g, 2, f64, WithName("k"))
		require.NoError(t, err)
		l, err := NewQKNorm(2, q, k)
		require.NoError(t, err)
		return l
	}
	return all
}

func inputFor(g *G.ExprGraph, kind, name string, seed int) *G.Node {
	switch kind {
	case "Embedding":
		return input(g, name, tensor.Int, []int{seed % 5, 3}, 2)
	case "QKNorm":
		return input(g, name, tensor.Float64, ramp(seed, 24), 1, 2, 12)
	}
	return input(g, name, tensor.Float64, ramp(seed, 12), 3, 4)
}

func ramp(seed, n int) []float64 {
	s := make([]float64, n)
	for i := range s {
		s[i] = float64((seed*7+i*i*3)%11) - 4
	}
	return s
}

// weighed returns Σ y∘u, with a u for which no norm's gradient vanishes.
func weighed(t *testing.T, l Layer, x *G.Node, name string) *G.Node {
	y, err := l.Forward(x)
	require.NoError(t, err)
	u := input(x.Graph(), name, tensor.Float64, ramp(5, y.Shape().TotalSize()), y.Shape()...)
	return G.Must(G.Sum(G.Must(G.HadamardProd(y, u))))
}

// TestASecondBranchSharesTheLearnables places a layer once more on its own graph and on another
// placement's. The learnables are the same nodes, and their gradients are the sums of both branches'.
func TestASecondBranchSharesTheLearnables(t *testing.T) {
	t.Parallel()
	for kind, build := range everyWithQKNorm(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			separate := func(mode Mode, seed int) [][]float64 { // gradients of one branch alone
				l, err := build(G.NewGraph()).On(G.NewGraph(), mode)
				require.NoError(t, err)
				g := l.Learnables()[0].Graph()
				grads, err := G.Grad(weighed(t, l, inputFor(g, kind, "x", seed), "u"), l.Learnables()...)
				require.NoError(t, err)
				vm := G.NewTapeMachine(g)
				defer vm.Close()
				require.NoError(t, vm.RunAll())
				return nodeValues(grads)
			}
			want := separate(Training, 1)
			for i, d := range separate(Evaluation, 2) {
				for j := range d {
					want[i][j] += d[j]
				}
			}
			own := build(G.NewGraph())
			elsewhere, err := own.On(G.NewGraph(), Training)
			require.NoError(t, err)
			for name, l := range map[string]Layer{"its own graph": own, "a placement's graph": elsewhere} {
				g := l.Learnables()[0].Graph()
				nodes := len(g.AllNodes())
				eval, err := own.On(g, Evaluation)
				require.NoError(t, err, name)
				require.Len(t, g.AllNodes(), nodes, name)
				require.Len(t, eval.Learnables(), len(l.Learnables()), name)
				for i, n := range l.Learnables() {
					require.Same(t, n, eval.Learnables()[i], name)
				}
				cost := G.Must(G.Add(weighed(t, l, inputFor(g, kind, "x", 1), "u"),
					weighed(t, eval, inputFor(g, kind, "x2", 2), "u2")))
				grads, err := G.Grad(cost, l.Learnables()...)
				require.NoError(t, err, name)
				vm := G.NewTapeMachine(g)
				defer vm.Close()
				require.NoError(t, vm.RunAll())
				for i, got := range nodeValues(grads) {
					require.InDeltaSlice(t, want[i], got, 1e-11, name)
				}
			}
		})
	}
}

func nodeValues(nodes G.Nodes) (all [][]float64) {
	for _, n := range nodes {
		all = append(all, float64s(n.Value()))
	}
	return all
}

func TestOnRefusesAGraphThatHasALearnablesName(t *testing.T) {
	t.Parallel()
	for kind, build := range everyWithQKNorm(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			l, g := build(G.NewGraph()), G.NewGraph()
			last := l.Learnables()[len(l.Learnables())-1]
			G.NewTensor(g, tensor.Float64, last.Dims(), G.WithShape(last.Shape()...), G.WithName(last.Name()),
				G.WithInit(G.Zeroes()))
			_, err := l.On(g, Evaluation)
			require.ErrorContains(t, err, "the graph has a node "+last.Name()+" already")
			require.Len(t, g.AllNodes(), 1)
		})
	}
}

// TestALayerWithoutLearnablesWorksOnEveryGraph, because no names can collide.
func TestALayerWithoutLearnablesWorksOnEveryGraph(t *testing.T) {
	t.Parallel()
	g := G.NewGraph()
	bare, err := NewBatchNorm(g, 4, WithoutAffine())
	require.NoError(t, err)
	_, err = NewBatchNorm(g, 4) // has the same name, which is still free
	require.NoError(t, err)
	_, err = bare.On(g, Evaluation)
	require.NoError(t, err)
}

// TestAnEvaluationBranchFollowsTraining trains on one subgraph and evaluates on another.
func TestAnEvaluationBranchFollowsTraining(t *testing.T) {
	t.Parallel()
	g := G.NewGraph()
	l, err := NewBatchNorm(g, 4, f64)
	require.NoError(t, err)
	cost := weighed(t, l, inputFor(g, "", "x", 1), "u")
	grads, err := G.Grad(cost, l.Learnables()...)
	require.NoError(t, err)
	eval, err := l.On(g, Evaluation)
	require.NoError(t, err)
	x := input(g, "one row", tensor.Float64, ramp(3, 4), 1, 4)
	y, err := eval.Forward(x)
	require.NoError(t, err)

	train := G.NewTapeMachine(g.SubgraphRoots(append(grads, cost)...), G.BindDualValues(l.Learnables()...))
	defer train.Close()
	test := G.NewTapeMachine(g.SubgraphRoots(y))
	defer test.Close()
	solver := G.NewVanillaSolver(G.WithLearnRate(0.1))
	for range 3 {
		weights := float64s(l.Learnables()[0].Value())
		require.NoError(t, train.RunAll())
		require.NoError(t, solver.Step(G.NodesToValueGrads(l.Learnables())))
		train.Reset()
		require.NotEqual(t, weights, float64s(l.Learnables()[0].Value()))
		before := contents(l.State())
		require.NoError(t, test.RunAll())
		test.Reset()
		require.Equal(t, before, contents(l.State()))

		alone, err := l.On(G.NewGraph(), Evaluation) // the expected result, from a separate graph
		require.NoError(t, err)
		ag := alone.Learnables()[0].Graph()
		want, err := alone.Forward(input(ag, "x", tensor.Float64, ramp(3, 4), 1, 4))
		require.NoError(t, err)
		vm := G.NewTapeMachine(ag)
		require.NoError(t, vm.RunAll())
		require.Equal(t, float64s(want.Value()), float64s(y.Value()))
		vm.Close()
	}
}
