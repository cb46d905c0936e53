package layers

import (
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// TestALispMachineNeedsTheSubgraphOfTheCost beside layers that are made and not applied,
// and beside evaluation branches, as the package's documentation says.
func TestALispMachineNeedsTheSubgraphOfTheCost(t *testing.T) {
	t.Parallel()
	beside := map[string]func(t *testing.T, l Layer, g *G.ExprGraph){
		"a layer that is not applied": func(t *testing.T, _ Layer, g *G.ExprGraph) {
			require.NoError(t, second(NewLayerNorm(g, 4)))
		},
		"an evaluation branch": func(t *testing.T, l Layer, g *G.ExprGraph) {
			eval, err := l.On(g, Evaluation)
			require.NoError(t, err)
			require.NoError(t, second(eval.Forward(input(g, "x2", tensor.Float64, ramp(2, 8), 2, 4))))
		},
	}
	for name, add := range beside {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := G.NewGraph()
			l, err := NewBatchNorm(g, 4, f64)
			require.NoError(t, err)
			cost := weighed(t, l, input(g, "x", tensor.Float64, ramp(1, 12), 3, 4), "u")
			add(t, l, g)
			whole := G.NewLispMachine(g)
			defer whole.Close()
			require.ErrorContains(t, whole.RunAll(), "Expected cost to be a scalar")

			vm := G.NewLispMachine(g.SubgraphRoots(cost))
			defer vm.Close()
			require.NoError(t, vm.RunAll())
			got, err := l.Learnables()[0].Grad()
			require.NoError(t, err)

			alone := G.NewGraph() // the oracle
			l2, err := NewBatchNorm(alone, 4, f64)
			require.NoError(t, err)
			grads, err := G.Grad(weighed(t, l2, input(alone, "x", tensor.Float64, ramp(1, 12), 3, 4), "u"), l2.Learnables()...)
			require.NoError(t, err)
			tape := G.NewTapeMachine(alone)
			defer tape.Close()
			require.NoError(t, tape.RunAll())
			require.InDeltaSlice(t, float64s(grads[0].Value()), float64s(got), 1e-12)
		})
	}
}
