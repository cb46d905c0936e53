package cpu

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGatherBackward uses rows on both sides of the border between two chunks, some of them several times,
// and compares bit for bit.
func TestGatherBackward(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	const cols, uses = 50, 60
	border := (&gatherBackward[float32]{cols: cols}).rowsPerChunk()
	dy, ids := normals[float32](uses*cols, 0, 1), make([]int, uses)
	want := make([]float32, (2*border+1)*cols)
	for i := range ids {
		ids[i] = border - 6 + i*5%13
		for j, v := range dy[i*cols : (i+1)*cols] {
			want[ids[i]*cols+j] += v
		}
	}
	for _, threads := range []int{1, 2, 3, 8} {
		runtime.GOMAXPROCS(threads)
		dtable := normals[float32](len(want), 0, 1) // is overwritten
		run := func() { GatherBackward(dtable, dy, ids, cols) }
		run()
		require.Equal(t, want, dtable, "threads %d", threads)
		require.Zero(t, testing.AllocsPerRun(5, run))
	}
}
