package layers

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// TestMigrationFromGorgonia runs gorgonia.BatchNorm beside what docs/from-gorgonia.md says
// that it becomes: the values and the running statistics are the same.
func TestMigrationFromGorgonia(t *testing.T) {
	t.Parallel()
	const channels, momentum, epsilon = 3, 0.3, 1e-3
	for _, shape := range [][]int{{4, channels}, {2, channels, 2, 5}} {
		n := tensor.Shape(shape).TotalSize()
		values := normals(rand.New(rand.NewPCG(4, 4)), n, 2, 3)
		g := G.NewGraph()
		ones, zeros := make([]float64, n), make([]float64, n)
		for i := range ones {
			ones[i] = 1
		}
		theirs, _, _, op, err := G.BatchNorm(input(g, "x", tensor.Float64, values, shape...),
			input(g, "scale", tensor.Float64, ones, shape...),
			input(g, "bias", tensor.Float64, zeros, shape...), momentum, epsilon)
		require.NoError(t, err)
		g2 := G.NewGraph()
		norm, err := NewBatchNorm(g2, channels, WithAxis(1), WithMomentum(momentum), WithEps(epsilon), f64)
		require.NoError(t, err)
		ours, err := norm.Forward(input(g2, "x", tensor.Float64, values, shape...))
		require.NoError(t, err)

		vm, vm2 := G.NewTapeMachine(g), G.NewTapeMachine(g2)
		defer vm.Close()
		defer vm2.Close()
		for range 3 {
			require.NoError(t, vm.RunAll())
			require.NoError(t, vm2.RunAll())
			require.InDeltaSlice(t, float64s(theirs.Value()), float64s(ours.Value()), 1e-12)
			vm.Reset()
			vm2.Reset()
		}
		mean, variance := op.Stats()
		require.InDeltaSlice(t, mean.Data(), float64s(norm.RunningMean()), 1e-12)
		require.InDeltaSlice(t, variance.Data(), float64s(norm.RunningVar()), 1e-12)
	}
}
