package train

import (
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/models/transformer"
)

// TestAStepLeavesNoGarbage trains the default model, whose smallest activation takes
// 384 kB. A step still allocates Gorgonia's bookkeeping, some bytes for each instruction
// and input.
func TestAStepLeavesNoGarbage(t *testing.T) {
	if testing.Short() {
		t.Skip("hundreds of steps take seconds")
	}
	const most = 64 << 10 // bytes, for a step or a batch of validation
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

// allocated returns the bytes that f allocates after its first call. It is the least of
// three counts, because the scratch memory of a kernel grows when more threads than before
// happen to work on it.
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
