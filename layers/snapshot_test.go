package layers_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
)

// TestRestoreUndoesABatchWithANaN in the statistics of both placements, for each way of tracking.
func TestRestoreUndoesABatchWithANaN(t *testing.T) {
	for name, opts := range map[string][]layers.Option{
		"by momentum":   nil,
		"cumulative":    {layers.WithCumulativeAverage()},
		"at a position": {layers.WithPositions(3)},
		"float64":       {layers.WithDtype(tensor.Float64)},
		"untracked":     {layers.WithoutTracking()},
	} {
		t.Run(name, func(t *testing.T) {
			g := G.NewGraph()
			bn, err := layers.NewBatchNorm(g, 2, opts...)
			require.NoError(t, err)
			ln, err := layers.NewLayerNorm(g, 2)
			require.NoError(t, err)
			other, err := bn.On(G.NewGraph(), layers.Training)
			require.NoError(t, err)

			dt := tensor.Float32
			if name == "float64" {
				dt = tensor.Float64
			}
			backing := G.Gaussian(0, 1)(dt, 4, 3, 2)
			v := tensor.New(tensor.WithShape(4, 3, 2), tensor.WithBacking(backing))
			x := G.NewTensor(g, dt, 3, G.WithShape(4, 3, 2), G.WithName("x"), G.WithValue(v))
			_, err = bn.Forward(x)
			require.NoError(t, err)
			vm := G.NewTapeMachine(g)
			defer vm.Close()
			run := func() {
				require.NoError(t, vm.RunAll())
				vm.Reset()
			}

			run()
			s := layers.Stack{ln, other, nil}.Snapshot()
			first := bn.State()
			run()
			second := bn.State()
			if name != "untracked" {
				require.NotEqual(t, first, second, "the statistics must change")
			}
			s.Take()
			switch b := backing.(type) {
			case []float32:
				b[0] = float32(math.NaN())
			case []float64:
				b[0] = math.NaN()
			}
			run()
			five := map[tensor.Dtype]any{tensor.Float32: float32(5), tensor.Float64: 5.}[dt]
			bn.Learnables()[0].Value().(*tensor.Dense).Memset(five)
			s.Restore()
			second["weight"] = bn.State()["weight"] // not a statistic
			require.Equal(t, second, bn.State())
			require.Equal(t, second, other.State())
			require.Zero(t, testing.AllocsPerRun(10, func() { s.Take(); s.Restore() }))
		})
	}
}
