package cpu

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// tally counts the runs of each chunk, and panics in one of them.
type tally struct {
	runs  []atomic.Int32
	panic int
	each  func(chunk int)
}

func newTally(chunks int) *tally { return &tally{runs: make([]atomic.Int32, chunks), panic: -1} }

func (t *tally) run(chunk int) {
	t.runs[chunk].Add(1)
	if t.each != nil {
		t.each(chunk)
	}
	if chunk == t.panic {
		panic("chunk")
	}
}

func (t *tally) requireOnce(tb testing.TB) {
	for c := range t.runs {
		require.EqualValues(tb, 1, t.runs[c].Load(), "chunk %d", c)
	}
}

func withThreads(t *testing.T, n int) {
	before := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

func TestEveryChunkRunsOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 8, 2} {
		withThreads(t, threads)
		for _, chunks := range []int{0, 1, 2, 7, 1000} {
			for range 50 {
				work := newTally(chunks)
				parallel(work, chunks)
				work.requireOnce(t)
			}
		}
	}
}

// TestChunksRunSideBySide has two chunks that wait for each other.
func TestChunksRunSideBySide(t *testing.T) {
	withThreads(t, 2)
	for _, pause := range []time.Duration{0, 5 * spin} { // the worker is awake, then asleep
		time.Sleep(pause)
		var both sync.WaitGroup
		both.Add(2)
		work := newTally(2)
		work.each = func(int) { both.Done(); both.Wait() }
		parallel(work, 2)
		work.requireOnce(t)
	}
}

func TestTasksInsideAndBesideTasks(t *testing.T) {
	withThreads(t, 4)
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for range 50 {
				outer := newTally(8)
				outer.each = func(int) {
					inner := newTally(5)
					parallel(inner, 5)
					inner.requireOnce(t)
				}
				parallel(outer, 8)
				outer.requireOnce(t)
			}
		})
	}
	callers.Wait()
}

// TestAPanicIsTheCallers panics in each chunk in turn, whichever thread runs it.
func TestAPanicIsTheCallers(t *testing.T) {
	withThreads(t, 3)
	for c := range 20 {
		work := newTally(20)
		work.panic = c
		require.PanicsWithValue(t, "chunk", func() { parallel(work, 20) })
		after := newTally(20)
		parallel(after, 20)
		after.requireOnce(t)
	}
}

func BenchmarkParallel(b *testing.B) {
	work := newTally(2)
	for b.Loop() {
		parallel(work, 2)
	}
}
