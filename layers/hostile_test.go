package layers

import (
	"io"
	"math/rand"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/hostile"
)

// TestNoPanics calls every exported function and method with what nobody means to give.
func TestNoPanics(t *testing.T) {
	g, other := G.NewGraph(), G.NewGraph()
	node := func(g *G.ExprGraph, of tensor.Dtype, shape ...int) *G.Node {
		if len(shape) == 0 {
			return G.NewScalar(g, of, G.WithName("scalar"))
		}
		return G.NewTensor(g, of, len(shape), G.WithShape(shape...), G.WithName("x"), G.WithInit(G.Zeroes()))
	}
	x := node(g, tensor.Float32, 2, 3, 4)
	view, err := tensor.New(tensor.WithShape(4, 8), tensor.Of(tensor.Float32)).Slice(nil, tensor.S(1, 5))
	require.NoError(t, err)
	unbound := node(g, tensor.Float32, 2, 4)
	init := G.Gaussian(0, 1)
	values := []any{
		x, node(g, tensor.Float32, 3, 4), node(g, tensor.Float32, 4), node(g, tensor.Float32, 2, 0, 4), node(g, tensor.Float32),
		node(g, tensor.Float64, 2, 4), node(g, tensor.Int, 2, 4), node(g, tensor.Float32, 1, 2, 3, 2, 4),
		node(other, tensor.Float32, 2, 3, 4), unbound,
		G.NewTensor(g, tensor.Float32, 2, G.WithShape(4, 4), G.WithName("view"), G.WithValue(view)),
		G.NewVector(g, tensor.Float32, G.WithName("shapeless")),
		g, other, init, rand.NewSource(1),
		tensor.Float32, tensor.Float64, tensor.Int, tensor.String,
		tensor.New(tensor.WithShape(4), tensor.Of(tensor.Float32)), view.(*tensor.Dense),
		Training, Evaluation, Mode(7),
		WithName("n"), WithEps(1e-3), WithDtype(tensor.Float64), WithoutBias(), WithPositions(3), WithAxis(1),
		Moments{Count: 2, Mean: []float64{1}, M2: []float64{2}}, Moments{Count: 2, Mean: []float64{1}},
	}
	made := func(l any, err error) {
		t.Helper()
		require.NoError(t, err)
		values = append(values, l)
	}
	norm, err := NewLayerNorm(g, 4)
	made(norm, err)
	rms, err := NewRMSNorm(g, 4)
	made(rms, err)
	made(second2(NewScaleNorm(g, 4)))
	made(second2(NewBatchNorm(g, 4)))
	made(second2(NewGroupNorm(g, 2, 4)))
	made(second2(NewInstanceNorm(g, 4)))
	made(second2(NewDyT(g, 4)))
	made(second2(NewDerf(g, 4)))
	made(second2(NewLinear(g, 4, 4, init)))
	made(second2(NewEmbedding(g, 3, 4, init)))
	made(second2(NewGELU()))
	made(second2(NewIdentity()))
	made(second2(NewResidual()))
	made(second2(NewCrossEntropy()))
	made(second2(NewCausalSelfAttention(2)))
	made(second2(NewKVCache(4)))
	query, err := NewRMSNorm(g, 2)
	require.NoError(t, err)
	key, err := NewRMSNorm(g, 2)
	require.NoError(t, err)
	made(second2(NewQKNorm(2, query, key)))
	stack := Stack{norm, rms}
	values = append(values, stack, Stack{norm, nil}, Stack{nil},
		Stack{(*BatchNorm)(nil)}, (*RMSNorm)(nil), (*BatchNorm)(nil), stack.Snapshot(),
		norm.State(), State{"weight": nil}, State{"": nil})
	hostile.Test(t, hostile.Package{
		Functions: map[string]any{
			"AddNorm": AddNorm, "Grad": Grad, "Normal": Normal, "CombineMoments": CombineMoments, "ReadState": ReadState,
			"NewBatchNorm": NewBatchNorm, "NewCausalSelfAttention": NewCausalSelfAttention, "NewCrossEntropy": NewCrossEntropy,
			"NewDerf": NewDerf, "NewDyT": NewDyT, "NewEmbedding": NewEmbedding, "NewGELU": NewGELU,
			"NewGroupNorm": NewGroupNorm, "NewIdentity": NewIdentity, "NewInstanceNorm": NewInstanceNorm,
			"NewKVCache": NewKVCache, "NewLayerNorm": NewLayerNorm, "NewLinear": NewLinear, "NewQKNorm": NewQKNorm,
			"NewRMSNorm": NewRMSNorm, "NewResidual": NewResidual, "NewScaleNorm": NewScaleNorm,
			"WithAlpha": WithAlpha, "WithAxis": WithAxis, "WithBiasInit": WithBiasInit,
			"WithBiasedVariance": WithBiasedVariance, "WithCumulativeAverage": WithCumulativeAverage,
			"WithDtype": WithDtype, "WithEps": WithEps, "WithExact": WithExact, "WithFrozenStatistics": WithFrozenStatistics,
			"WithMomentum": WithMomentum, "WithName": WithName, "WithPartial": WithPartial, "WithPositions": WithPositions,
			"WithShape": WithShape, "WithTracking": WithTracking, "WithUnbatched": WithUnbatched,
			"WithWeightInit": WithWeightInit, "WithZeroCentredGain": WithZeroCentredGain, "WithoutAffine": WithoutAffine,
			"WithoutBias": WithoutBias, "WithoutTracking": WithoutTracking, "WithoutWeight": WithoutWeight,
		},
		Values: values,
		Tries:  3000,
	})
}

func second2[L any](l L, err error) (any, error) { return l, err }

// TestErrorsOfNothing names what is missing.
func TestErrorsOfNothing(t *testing.T) {
	t.Parallel()
	g := G.NewGraph()
	norm, err := NewLayerNorm(g, 4)
	require.NoError(t, err)
	_, err = norm.Forward(new(G.Node))
	require.EqualError(t, err,
		"layers: LayerNorm: the input has no type: make nodes with gorgonia.NewTensor and its like")
	_, err = NewLayerNorm(new(G.ExprGraph), 4)
	require.EqualError(t, err, "layers: LayerNorm: the graph has no memory: make graphs with gorgonia.NewGraph")
	_, err = norm.ForwardMasked(G.NewMatrix(g, tensor.Float32, G.WithShape(2, 4), G.WithName("x")), new(G.Node))
	require.EqualError(t, err,
		"layers: LayerNorm: the mask has no type: make nodes with gorgonia.NewTensor and its like")
	for _, missing := range []Stack{{norm, nil}, {norm, (*BatchNorm)(nil)}} {
		require.EqualError(t, missing.Save(io.Discard), "layers: layer 1 of 2 is nil")
		require.EqualError(t, missing.Load(norm.State()), "layers: layer 1 of 2 is nil")
		require.EqualError(t, missing.Rejoin(), "layers: layer 1 of 2 is nil")
		require.Len(t, missing.Learnables(), 2)
		require.Len(t, missing.State(), 2)
	}
	require.EqualError(t, norm.Save(nil), "layers: saving a state: the writer is nil")
}
