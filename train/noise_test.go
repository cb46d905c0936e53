package train

import (
	"context"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestNoiseIsReproducible repeats noisy runs on other numbers of threads, and with other steps
// between evaluations. Losses and weights must be equal to the last bit, and differ from those of a
// run without noise.
func TestNoiseIsReproducible(t *testing.T) {
	if testing.Short() {
		t.Skip("training takes seconds")
	}
	text := corpus(t, verse)
	record := func(norm string, threads, evalEvery int, noise float64) (losses []float64, state any) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(threads))
		c := tiny(norm)
		c.Layers, c.Channels, c.Context, c.Batch = 1, 64, 32, 8
		c.Steps, c.EvalEvery, c.NormNoise = 10, evalEvery, noise
		model, run, err := Train(context.Background(), c, text, nil)
		require.NoError(t, err)
		for _, s := range run.Steps {
			losses = append(losses, float64(s.Loss))
		}
		return losses, model.State()
	}
	for _, norm := range []string{"none", "batch", "layer"} {
		losses, state := record(norm, 1, 5, 0.3)
		for _, threads := range []int{2, 3} {
			same, equal := record(norm, threads, 5, 0.3)
			require.Equal(t, losses, same, "%s, %d threads", norm, threads)
			require.Equal(t, state, equal, "%s, %d threads", norm, threads)
		}
		same, equal := record(norm, 1, 1, 0.3)
		require.Equal(t, losses, same, "%s, more evaluations", norm)
		require.Equal(t, state, equal, "%s, more evaluations", norm)
		without, _ := record(norm, 1, 5, 0)
		require.NotEqual(t, losses, without, norm)
	}
}

// TestASkippedStepTakesItsNoise: the steps after one that was skipped have the noise and the batches
// that they would have had.
func TestASkippedStepTakesItsNoise(t *testing.T) {
	t.Parallel()
	c := tiny("layer")
	c.NormNoise, c.ProbeEvery, c.EvalEvery = 0.3, 0, 1000
	hit, spared := startLoop(t, c, corpus(t, verse)), startLoop(t, c, corpus(t, verse))
	w := hit.model.Learnables()[0].Value().Data().([]float32)
	before := append([]float32(nil), w...)
	for i := range w {
		w[i] = float32(math.NaN())
	}
	require.False(t, hit.step(t).Finite())
	copy(w, before)
	spared.batches.next(spared.train.ids, spared.train.targets)
	spared.noise.Draw()
	spared.run.Steps = append(spared.run.Steps, Step{})
	for range 3 {
		require.Equal(t, spared.step(t), hit.step(t))
	}
	require.Equal(t, spared.model.State(), hit.model.State())
}

// TestEvaluationHasNoNoise: validation losses, also in training mode, are those of the weights alone.
func TestEvaluationHasNoNoise(t *testing.T) {
	t.Parallel()
	c := tiny("layer")
	c.NormNoise, c.Steps, c.EvalEvery = 0.5, 5, 5
	_, run, err := Train(context.Background(), c, corpus(t, verse), nil)
	require.NoError(t, err)
	require.Equal(t, run.Summary.LastVal, run.Summary.TrainModeVal, "the noise would set them apart")

	c.NormNoise = 0
	plain := startLoop(t, c, corpus(t, verse))
	initial, err := plain.evaluate(&plain.eval)
	require.NoError(t, err)
	require.Equal(t, initial, run.Summary.InitVal)
}
