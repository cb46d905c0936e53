package cpu

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestColumnMoments(t *testing.T) {
	x := []float32{1, 10, 2, 10, 3, 10, 6, 10}
	mean, variance := make([]float64, 2), make([]float64, 2)
	ColumnMoments(mean, variance, x, 4, 2)
	require.InDeltaSlice(t, []float64{3, 10}, mean, 1e-12)
	require.InDeltaSlice(t, []float64{3.5, 0}, variance, 1e-12)
}

func TestMaxAbs(t *testing.T) {
	t.Run("float32", testMaxAbs[float32])
	t.Run("float64", testMaxAbs[float64])
}

func testMaxAbs[T Float](t *testing.T) {
	nan, inf := T(math.NaN()), T(math.Inf(-1))
	for _, c := range []struct {
		x    []T
		want T
	}{
		{nil, 0}, {[]T{-3, 2}, 3}, {[]T{1, 2, -1}, 2}, {[]T{1, 1, -7}, 7}, {[]T{1, 5, 2, 3}, 5},
		{[]T{1, inf}, -inf}, {[]T{inf, 1, 2}, -inf}, {[]T{-1e-40, 1e-41}, 1e-40},
	} {
		require.Equal(t, c.want, MaxAbs(c.x))
	}
	for _, x := range [][]T{{nan}, {nan, 1}, {1, nan, 2}, {1, 2, -nan}, {inf, nan}} {
		require.True(t, math.IsNaN(float64(MaxAbs(x))), x)
	}
}

func TestLogSumExp(t *testing.T) {
	for _, cols := range []int{1, 7, 95, softmaxBlock + 5} {
		rng := rand.New(rand.NewPCG(1, 2))
		x := make([]float64, 3*cols)
		for i := range x {
			x[i] = 1000 + 5*rng.NormFloat64()
		}
		got := make([]float64, 3)
		LogSumExp(got, x, make([]float64, cols))
		for r := range got {
			var sum float64
			for _, v := range x[r*cols : (r+1)*cols] {
				sum += math.Exp(v - 1000)
			}
			require.InDelta(t, 1000+math.Log(sum), got[r], 1e-11)
		}
	}
}

func TestSquaredDistance(t *testing.T) {
	require.Equal(t, 9.+16, SquaredDistance([]float32{1, 2, 0}, []float32{4, -2, 0}))
}

// TestThreadsAreBounded has chunks that notice each other if there is a second thread.
func TestThreadsAreBounded(t *testing.T) {
	withThreads(t, 4)
	t.Cleanup(func() { SetThreads(0) })
	for bound, want := range map[int]int{0: 4, 1: 1, 3: 3, 9: 4} {
		SetThreads(bound)
		require.Equal(t, want, threads())
	}
	SetThreads(1)
	running := 0
	work := newTally(100)
	work.each = func(int) { // a data race if there are two threads
		running++
		require.Equal(t, 1, running)
		runtime.Gosched()
		running--
	}
	parallel(work, 100)
	work.requireOnce(t)
}
