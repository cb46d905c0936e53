package lab

import (
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/models/transformer"
)

func grid(steps int) Grid {
	base := tiny("")
	base.Steps, base.EvalEvery, base.ProbeEvery = steps, 2, 2
	return Grid{
		Base:       base,
		Norms:      []string{"batch", "rms"},
		Placements: []transformer.Placement{transformer.Pre, transformer.Post},
		QKNorms:    []bool{false, true},
		LRs:        []float64{1e-3, 0.1},
		Seeds:      2,
	}
}

func TestGridIsEveryCombination(t *testing.T) {
	cs := grid(4).Configs()
	require.Len(t, cs, 32)
	ids := make(map[string]bool)
	for _, c := range cs {
		require.Equal(t, c.LR/10, c.MinLR)
		ids[c.ID()] = true
	}
	require.Len(t, ids, 32)
	require.Equal(t, "batch-pre-lr0.001-seed1", cs[0].ID())
	require.Equal(t, "rms-post-qk-lr0.1-seed2", cs[31].ID())
}
