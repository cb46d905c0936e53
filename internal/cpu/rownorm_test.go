package cpu

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestPartialRMSNorm compares with the formula in float64. Results must be the same at any
// number of threads, with nothing allocated.
func TestPartialRMSNorm(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, s := range []struct{ rows, cols, part int }{{1, 3, 2}, {3, 7, 2}, {700, 130, 33}, {5, 100000, 99999}} {
		const eps = 1e-6
		rng := rand.New(rand.NewPCG(1, uint64(s.cols)))
		draw := func(n int) []float32 {
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(0.5 + rng.NormFloat64())
			}
			return x
		}
		x, dy, gamma := draw(s.rows*s.cols), draw(s.rows*s.cols), draw(s.cols)
		for _, gamma := range [][]float32{gamma, nil} {
			y, dx, dgamma := make([]float32, len(x)), make([]float32, len(x)), make([]float32, s.cols)
			n := NewRMSNorm[float32](s.cols, s.part, eps)
			run := func() {
				n.Forward(y, x, gamma, nil)
				n.Backward(dx, dgamma, nil, x, gamma, dy)
			}
			run()
			wantY, wantDx, wantDgamma := make([]float64, len(x)), make([]float64, len(x)), make([]float64, s.cols)
			gain := func(j int) float64 {
				if gamma == nil {
					return 1
				}
				return float64(gamma[j])
			}
			for r := range s.rows {
				row, g := x[r*s.cols:(r+1)*s.cols], dy[r*s.cols:(r+1)*s.cols]
				var squares, sum float64
				for _, v := range row[:s.part] {
					squares += float64(v) * float64(v) / float64(s.part)
				}
				rstd := 1 / math.Sqrt(squares+eps)
				for j, v := range row {
					xhat := float64(v) * rstd
					wantY[r*s.cols+j] = xhat * gain(j)
					wantDgamma[j] += float64(g[j]) * xhat
					sum += float64(g[j]) * gain(j) * xhat / float64(s.part)
				}
				for j, v := range row {
					d := rstd * float64(g[j]) * gain(j)
					if j < s.part {
						d -= rstd * float64(v) * rstd * sum
					}
					wantDx[r*s.cols+j] = d
				}
			}
			// A few roundings of float32; dγ is a sum of 128 terms in it.
			require.Less(t, largestError(wantY, y), 3e-7)
			require.Less(t, largestError(wantDx, dx), 5e-7)
			require.Less(t, largestError(wantDgamma, dgamma), 1e-6)
			first := slices.Concat(y, dx, dgamma)
			for _, threads := range []int{1, 2, 5} {
				runtime.GOMAXPROCS(threads)
				run()
				require.Equal(t, first, slices.Concat(y, dx, dgamma), "%d threads", threads)
			}
			require.Zero(t, testing.AllocsPerRun(3, run))
			require.Zero(t, n.rowNormCall, "the caller's slices are kept")
		}
	}
}

// TestRowNormSecondIsTheSameAtAnyNumberOfThreads leaves its values to the layers' tests.
func TestRowNormSecondIsTheSameAtAnyNumberOfThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	const rows, cols = 700, 130
	x, dy, u, gamma := made(1, rows*cols, 0, 1), made(2, rows*cols, 0, 1), made(3, rows*cols, 0, 1), made(4, cols, 1, 1)
	y, dx, ddy := make([]float32, len(x)), make([]float32, len(x)), make([]float32, len(x))
	dgamma := make([]float32, cols)
	n := NewLayerNorm[float32](cols, 1e-5)
	n.Forward(y, x, gamma, nil)
	run := func() { n.Second(dx, dgamma, ddy, x, gamma, dy, u) }
	run()
	first := slices.Concat(dx, ddy, dgamma)
	for _, threads := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(threads)
		run()
		require.Equal(t, first, slices.Concat(dx, ddy, dgamma), "%d threads", threads)
	}
	require.Zero(t, testing.AllocsPerRun(3, run))
	require.Zero(t, n.rowNormCall, "the caller's slices are kept")
}
