package cpu

import (
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAttentionIsItsFormula holds attention, which works in blocks of rows, to
// its definition, a head and a row at a time, around the size of a block.
func TestAttentionIsItsFormula(t *testing.T) {
	for _, tokens := range []int{1, 7, causalBlock, causalBlock + 1, 2*causalBlock + 9} {
		t.Run(fmt.Sprint("time ", tokens), func(t *testing.T) {
			h := Heads{B: 2, T: tokens, C: 15, Heads: 3}
			qkv, dy := normals[float64](h.B*h.T*3*h.C, 0, 1), normals[float64](h.B*h.T*h.C, 0, 1)
			y, probs, dqkv := make([]float64, len(dy)), make([]float64, h.Probs()), make([]float64, len(qkv))
			CausalAttention(y, probs, qkv, h)
			CausalAttentionBackward(dqkv, qkv, probs, dy, h)
			wantY, wantD := naiveAttention(qkv, dy, h)
			require.InDeltaSlice(t, wantY, y, 1e-12)
			require.InDeltaSlice(t, wantD, dqkv, 1e-12)
		})
	}
}

// naiveAttention follows the formulas in CausalAttentionBackward's comment.
func naiveAttention(qkv, dy []float64, h Heads) (y, dqkv []float64) {
	y, dqkv = make([]float64, len(dy)), make([]float64, len(qkv))
	n := h.C / h.Heads
	for b := range h.B {
		for i := range h.Heads {
			q := func(t int) int { return (b*h.T+t)*3*h.C + i*n } // K is C behind it, V another
			for t := range h.T {
				p := make([]float64, t+1)
				var z float64
				for s := range p {
					for c := range n {
						p[s] += qkv[q(t)+c] * qkv[q(s)+h.C+c] / math.Sqrt(float64(n))
					}
					p[s] = math.Exp(p[s])
					z += p[s]
				}
				out := (b*h.T+t)*h.C + i*n
				dp, dot := make([]float64, t+1), 0.0
				for s := range p {
					p[s] /= z
					for c := range n {
						y[out+c] += p[s] * qkv[q(s)+2*h.C+c]
						dqkv[q(s)+2*h.C+c] += p[s] * dy[out+c]
						dp[s] += dy[out+c] * qkv[q(s)+2*h.C+c]
					}
					dot += p[s] * dp[s]
				}
				for s := range p {
					ds := p[s] * (dp[s] - dot) / math.Sqrt(float64(n))
					for c := range n {
						dqkv[q(t)+c] += ds * qkv[q(s)+h.C+c]
						dqkv[q(s)+h.C+c] += ds * qkv[q(t)+c]
					}
				}
			}
		}
	}
	return y, dqkv
}

// TestGemmIsTheSameOnAnyNumberOfThreads compares bit for bit.
func TestGemmIsTheSameOnAnyNumberOfThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	const m, n, k = 150, 200, 700
	a, b := normals[float64](m*k, 0, 1), normals[float64](k*n, 0, 1)
	var want []float64
	for _, threads := range []int{1, 2, 3, 8} {
		runtime.GOMAXPROCS(threads)
		c := make([]float64, m*n)
		Gemm(false, false, m, n, k, 1, a, k, b, n, 0, c, n)
		if want == nil {
			want = c
		}
		require.Equal(t, want, c, "threads %d", threads)
	}
}

func TestMatrixKernelsAllocateNothing(t *testing.T) {
	h := Heads{B: 2, T: 70, C: 8, Heads: 2}
	x, y, probs := normals[float64](h.B*h.T*3*h.C, 0, 1), make([]float64, h.B*h.T*h.C), make([]float64, h.Probs())
	dqkv := make([]float64, len(x))
	run := func() {
		CausalAttention(y, probs, x, h)
		CausalAttentionBackward(dqkv, x, probs, y, h)
		Gemm(true, true, 50, 60, 90, 1, probs, 50, probs, 90, 1, probs[5000:], 60)
	}
	run()
	require.Zero(t, testing.AllocsPerRun(20, run))
}
