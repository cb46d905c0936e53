package train

import (
	"bytes"
	"context"
	"encoding/json"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// TestRunsAreReproducible repeats a run on one thread and on several, with a model large
// enough for kernels to use all of them. Every loss, probe, weight and running statistic
// must be equal to the last bit.
func TestRunsAreReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("training takes seconds")
	}
	words := corpus(t, verse)
	record := func(norm string, threads int, seed uint64) (string, []byte) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
		c := tiny(norm)
		c.Layers, c.Channels, c.Context, c.Batch = 1, 64, 32, 8
		c.Steps, c.EvalEvery, c.Seed = 20, 10, seed
		model, run, err := Train(context.Background(), c, words, nil)
		require.NoError(t, err)
		require.NotEmpty(t, run.Probes)
		run.Speed = runlog.Speed{}
		text, err := json.Marshal(run)
		require.NoError(t, err)
		var weights bytes.Buffer
		require.NoError(t, model.Save(&weights))
		return string(text), weights.Bytes()
	}
	for _, n := range transformer.Norms {
		t.Run(n.Name, func(t *testing.T) {
			run, weights := record(n.Name, 1, 1)
			for _, threads := range []int{1, 2, 3, 8} {
				again, same := record(n.Name, threads, 1)
				require.Equal(t, run, again, "%d threads", threads)
				require.True(t, bytes.Equal(weights, same), "%d threads: other weights", threads)
			}
			other, _ := record(n.Name, 1, 2)
			require.NotEqual(t, run, other, "another seed")
		})
	}
}
