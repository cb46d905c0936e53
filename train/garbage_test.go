package train

import (
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/models/transformer"
)

// TestAStepLeavesNoGarbage trains the default model, whose smallest activation
// takes 384 kB. What a step still allocates is Gorgonia's bookkeeping, some bytes
// for each instruction and input.
func TestAStepLeavesNoGarbage(t *testing.T) {
	const most = 64 << 10 // bytes, of a step or of a batch of validation
	path, err := DefaultText()
	require.NoError(t, err)
	text, err := ReadCorpus(path)
	require.NoError(t, err)
	for _, n := range transformer.Norms {
		t.Run(n.Name, func(t *testing.T) {
			c := Defaults()
			c.Norm, c.EvalBatches, c.ProbeEvery = n.Name, 1, 0
			l, err := newLoop(c, text)
			require.NoError(t, err)
			defer l.close()
			require.Less(t, allocated(func() {
				_, err := l.step(&Run{})
				require.NoError(t, err)
			}), uint64(most), "a step")
			require.Less(t, allocated(func() {
				_, err := l.evaluate(&l.eval)
				require.NoError(t, err)
			}), uint64(most), "a batch of validation")
		})
	}
}

// allocated is the bytes that f allocates from its second run on: the least of
// several counts, since scratch of a kernel grows once more where more threads
// than before happen to work on it.
func allocated(f func()) uint64 {
	f()
	least := uint64(math.MaxUint64)
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}
