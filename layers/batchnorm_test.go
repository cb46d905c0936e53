package layers

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// These are tests for defects of Gorgonia's own BatchNorm.

func newX(g *G.ExprGraph, rows, cols int) *G.Node {
	return input(g, "x", tensor.Float64, normals(rand.New(rand.NewPCG(8, 8)), rows*cols, 2, 3), rows, cols)
}

func TestBatchNormsThatDifferOnlyInEpsStayTwoNodes(t *testing.T) {
	g := G.NewGraph()
	x := newX(g, 4, 3)
	small, err := NewBatchNorm(g, 3, f64)
	require.NoError(t, err)
	large := *small // with the same gamma and beta nodes, so that only eps differs
	large.eps = 10
	a, err := small.Forward(x)
	require.NoError(t, err)
	b, err := large.Forward(x)
	require.NoError(t, err)
	require.NotSame(t, a, b)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	require.NoError(t, vm.RunAll())
	require.NotEqual(t, a.Value().Data(), b.Value().Data())
}

func TestAnotherTrainingMachineLeavesRunningStatisticsAlone(t *testing.T) {
	g := G.NewGraph()
	l, err := NewBatchNorm(g, 3, f64)
	require.NoError(t, err)
	_, err = l.Forward(newX(g, 4, 3))
	require.NoError(t, err)
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	require.NoError(t, vm.RunAll())
	mean, variance := float64s(l.RunningMean()), float64s(l.RunningVar())
	require.NotContains(t, mean, 0.0)
	require.NotContains(t, variance, 1.0)

	for _, vm := range []G.VM{G.NewTapeMachine(g), G.NewLispMachine(g, G.ExecuteFwdOnly())} {
		require.NoError(t, vm.Close())
	}
	require.Equal(t, mean, float64s(l.RunningMean()))
	require.Equal(t, variance, float64s(l.RunningVar()))
}

func TestEvaluationGraphSeesWhatTrainingLearns(t *testing.T) {
	g, eg := G.NewGraph(), G.NewGraph()
	l, err := NewBatchNorm(g, 3, f64)
	require.NoError(t, err)
	y, err := l.Forward(newX(g, 4, 3))
	require.NoError(t, err)
	_, err = G.Grad(G.Must(G.Sum(G.Must(G.Square(y)))), l.Learnables()...)
	require.NoError(t, err)
	e, err := l.On(eg, Evaluation)
	require.NoError(t, err)
	ey, err := e.Forward(newX(eg, 1, 3)) // one row is enough, because no statistics are computed
	require.NoError(t, err)

	train := G.NewTapeMachine(g, G.BindDualValues(l.Learnables()...))
	defer train.Close()
	eval := G.NewTapeMachine(eg, G.EvalMode())
	defer eval.Close()
	solver := G.NewVanillaSolver(G.WithLearnRate(0.01))
	var last []float64
	for range 3 {
		require.NoError(t, train.RunAll())
		require.NoError(t, solver.Step(G.NodesToValueGrads(l.Learnables())))
		train.Reset()

		before := float64s(l.RunningMean())
		require.NoError(t, eval.RunAll())
		got := float64s(ey.Value())
		eval.Reset()
		require.Equal(t, before, float64s(l.RunningMean()), "evaluation changed the statistics")
		require.NotEqual(t, last, got)
		last = got

		w, b := float64s(l.Learnables()[0].Value()), float64s(l.Learnables()[1].Value())
		mean, variance := float64s(l.RunningMean()), float64s(l.RunningVar())
		x := float64s(eg.ByName("x")[0].Value())
		for j := range x {
			want := (x[j]-mean[j])/math.Sqrt(variance[j]+1e-5)*w[j] + b[j]
			require.InDelta(t, want, got[j], 1e-12)
		}
	}
}

func TestOneRowInTrainingIsAnError(t *testing.T) {
	g := G.NewGraph()
	l, err := NewBatchNorm(g, 3, f64)
	require.NoError(t, err)
	_, err = l.Forward(newX(g, 1, 3))
	require.EqualError(t, err,
		"layers: BatchNorm: needs 2 rows or more to compute statistics over, the input has 1 (shape (1, 3))")
}

func TestThereAreTwoModes(t *testing.T) {
	for _, kind := range []string{"BatchNorm", "LayerNorm", "DyT"} {
		l, err := every[kind](G.NewGraph())
		require.NoError(t, err)
		_, err = l.On(G.NewGraph(), Mode(7))
		require.EqualError(t, err, "layers: "+kind+": mode is 7, want layers.Training or layers.Evaluation")
	}
}

func TestAnUnboundLayerIsNotPlaced(t *testing.T) {
	g := G.NewGraph()
	l, err := NewLayerNorm(g, 3)
	require.NoError(t, err)
	g.UnbindAll()
	_, err = l.On(G.NewGraph(), Training)
	require.EqualError(t, err, "layers: LayerNorm: LayerNorm.weight has no memory: the layer's graph has been unbound")
}

func TestAPanicOfAnInitialValueIsAnError(t *testing.T) {
	_, err := NewLayerNorm(G.NewGraph(), 3, WithWeightInit(func(tensor.Dtype, ...int) any { panic("not today") }))
	require.EqualError(t, err, "layers: LayerNorm: the function for the initial weight panics: not today")
}

// TestAStateMayHoldTheLayersOwnTensors in each other's place.
func TestAStateMayHoldTheLayersOwnTensors(t *testing.T) {
	l, err := NewBatchNorm(G.NewGraph(), 1, f64)
	require.NoError(t, err)
	for range 20 { // tensors are copied in random order
		mean, variance := l.RunningMean().Float64s()[0], l.RunningVar().Float64s()[0]
		s := l.State()
		s["running_mean"], s["running_var"] = l.RunningVar(), l.RunningMean()
		require.NoError(t, l.Load(s))
		got := []float64{l.RunningMean().Float64s()[0], l.RunningVar().Float64s()[0]}
		require.Equal(t, []float64{variance, mean}, got)
	}
}
