package layers

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// TestEmptyBatchesHaveEmptyResults and gradients of 0, as in PyTorch.
func TestEmptyBatchesHaveEmptyResults(t *testing.T) {
	t.Parallel()
	shapes := map[string][][]int{
		"QKNorm":              {{0, 3, 12}, {2, 0, 12}},
		"CausalSelfAttention": {{0, 3, 12}, {2, 0, 12}},
		"Embedding":           {{0}, {2, 0}},
	}
	for kind, build := range everyAndQKNorm() {
		if shapes[kind] == nil {
			shapes[kind] = [][]int{{0, 4}, {0, 3, 4}, {3, 0, 4}}
		}
		for _, shape := range shapes[kind] {
			for _, machine := range machines {
				t.Run(kind+"/"+fmt.Sprint(shape)+"/"+machine, func(t *testing.T) {
					g := G.NewGraph()
					l, err := build(g)
					require.NoError(t, err)
					randomize(l, 1)
					before := contents(l.State())
					dt, backing := tensor.Float32, any([]float32{})
					wrt := l.Learnables()
					if kind == "Embedding" {
						dt, backing = tensor.Int, []int{}
					}
					x := G.NewTensor(g, dt, len(shape), G.WithShape(shape...), G.WithName("x"),
						G.WithValue(tensor.New(tensor.WithShape(shape...), tensor.WithBacking(backing))))
					if dt == tensor.Float32 {
						wrt = append(G.Nodes{x}, wrt...)
					}
					y, err := l.Forward(x)
					require.NoError(t, err)
					vm := newMachine(t, machine, dot(t, y, nil), wrt)
					defer vm.Close()
					require.NoError(t, vm.RunAll())
					require.True(t, y.Value().Shape().Eq(y.Shape()), "%v", y.Value().Shape())
					for _, n := range wrt {
						d, err := n.Grad()
						require.NoError(t, err)
						require.True(t, d.Shape().Eq(n.Shape()))
						for _, v := range float64s(d.(*tensor.Dense)) {
							require.Zero(t, v, n.Name())
						}
					}
					require.Equal(t, before, contents(l.State()))
				})
			}
		}
	}
}
