package layers

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
)

// TestAFoldedNormComputesTheSame as a Linear followed by a BatchNorm, to 1e-6 of the largest result.
func TestAFoldedNormComputesTheSame(t *testing.T) {
	t.Parallel()
	for name, dt := range dtypes {
		for _, c := range []struct {
			name         string
			linear, norm []Option
		}{
			{"plain", nil, nil},
			{"without biases", []Option{WithoutBias()}, []Option{WithoutBias()}},
			{"without affine", nil, []Option{WithoutAffine()}},
			{"without weight", nil, []Option{WithoutWeight()}},
			{"large eps", nil, []Option{WithEps(0.5)}},
			{"frozen", []Option{WithoutBias()}, []Option{WithFrozenStatistics()}},
		} {
			t.Run(c.name+"/"+name, func(t *testing.T) {
				g := G.NewGraph()
				linear, err := NewLinear(g, 3, 5, Normal(rand.NewPCG(1, 1), 1), append(c.linear, WithDtype(dt))...)
				require.NoError(t, err)
				norm, err := NewBatchNorm(g, 5, append(c.norm, WithDtype(dt))...)
				require.NoError(t, err)
				rng := rand.New(rand.NewPCG(2, 2))
				require.NoError(t, norm.Load(randomState(norm, rng)))
				require.NoError(t, linear.Load(randomState(linear, rng)))

				eval := G.NewGraph()
				x := input(eval, "x", dt, normals(rng, 3*7*2, 0.5, 2), 7, 2, 3)
				both := x
				for _, l := range []Layer{linear, norm} {
					placed, err := l.On(eval, Evaluation)
					require.NoError(t, err)
					both, err = placed.Forward(both)
					require.NoError(t, err)
				}
				folded, err := norm.Fold(eval, linear, WithName("folded"))
				require.NoError(t, err)
				require.Equal(t, "folded.bias", folded.Learnables()[1].Name())
				one, err := folded.Forward(x)
				require.NoError(t, err)
				vm := G.NewTapeMachine(eval)
				defer vm.Close()
				require.NoError(t, vm.RunAll())
				want, got := float64s(both.Value()), float64s(one.Value())
				largest := 0.0
				for _, v := range want {
					largest = max(largest, v, -v)
				}
				require.InDeltaSlice(t, want, got, 1e-6*largest)

				randomize(norm, 3)
				require.NotEqual(t, values(norm), values(folded), "memory of its own")
			})
		}
	}
}

func TestFoldRefusesNormsAndLayersThatDoNotFold(t *testing.T) {
	t.Parallel()
	g := G.NewGraph()
	linear, err := NewLinear(g, 3, 4, constant(1))
	require.NoError(t, err)
	wide, err := NewLinear(g, 3, 5, constant(1))
	require.NoError(t, err)
	double, err := NewLinear(g, 3, 4, constant(1), f64)
	require.NoError(t, err)
	for _, c := range []struct {
		norm   []Option
		linear *Linear
		opts   []Option
		want   string
	}{
		{nil, nil, nil, "layers: BatchNorm: the linear layer to fold into is nil"},
		{[]Option{WithoutTracking()}, linear, nil, "layers: BatchNorm: WithoutTracking leaves no statistics to fold"},
		{[]Option{WithPositions(2)}, linear, nil,
			"layers: BatchNorm: statistics at 2 positions do not fold into one linear layer"},
		{[]Option{WithAxis(1)}, linear, nil,
			"layers: BatchNorm: the features are on axis 1, want them last, as a linear layer's outputs"},
		{nil, double, nil, "layers: BatchNorm: the linear layer is of type float64, want float32"},
		{nil, wide, nil, "layers: BatchNorm: the linear layer has 5 outputs, want 4"},
		{nil, linear, []Option{WithoutBias()}, "layers: Linear: has no option WithoutBias"},
		{nil, linear, []Option{WithName("Linear")},
			"layers: Linear: the graph has a node Linear.weight already, give the layer another name"},
	} {
		norm, err := NewBatchNorm(G.NewGraph(), 4, c.norm...)
		require.NoError(t, err)
		nodes := len(g.AllNodes())
		_, err = norm.Fold(g, c.linear, c.opts...)
		require.EqualError(t, err, c.want)
		require.Len(t, g.AllNodes(), nodes)
	}
	unbound := G.NewGraph()
	norm, err := NewBatchNorm(unbound, 4)
	require.NoError(t, err)
	unbound.UnbindAll()
	_, err = norm.Fold(g, linear)
	require.ErrorContains(t, err, "has no memory: the layer's graph has been unbound")
	_, err = norm.Fold(nil, linear)
	require.Error(t, err)
}
