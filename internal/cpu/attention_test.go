package cpu

import (
	"fmt"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAttentionIsItsFormula compares attention, which works in blocks of rows, with its definition, which
// works on a head and a row at a time, for numbers of tokens around the size of a block.
func TestAttentionIsItsFormula(t *testing.T) {
	t.Parallel()
	for _, tokens := range []int{1, 7, causalBlock, causalBlock + 1, 2*causalBlock + 9} {
		t.Run(fmt.Sprint("time ", tokens), func(t *testing.T) {
			h := Heads{B: 2, T: tokens, C: 15, Heads: 3}
			qkv, dy := normals[float64](h.B*h.T*3*h.C, 0, 1), normals[float64](h.B*h.T*h.C, 0, 1)
			y, dqkv := make([]float64, len(dy)), make([]float64, len(qkv))
			a := CausalAttention[float64]{Heads: h}
			a.Forward(y, qkv)
			a.Backward(dqkv, qkv, dy)
			wantY, wantD := naiveAttention(qkv, dy, h)
			require.InDeltaSlice(t, wantY, y, 1e-12)
			require.InDeltaSlice(t, wantD, dqkv, 1e-12)
		})
	}
}

// TestAttentionFromATokenIsItsPartOfTheWhole compares bit for bit, with the probabilities kept and not, for
// a sequence shorter than a block of rows and for one longer than Gemm's depth.
func TestAttentionFromATokenIsItsPartOfTheWhole(t *testing.T) {
	t.Parallel()
	t.Run("float32", attentionFrom[float32])
	t.Run("float64", attentionFrom[float64])
}

func attentionFrom[T Float](t *testing.T) {
	for _, tokens := range []int{5, causalBlock + 3, gemmDepth + causalBlock + 9} {
		h := Heads{B: 2, T: tokens, C: 15, Heads: 3}
		qkv := normals[T](h.B*h.T*3*h.C, 0, 1)
		whole, all := make([]T, h.B*h.T*h.C), CausalAttention[T]{Heads: h}
		all.Forward(whole, qkv)
		for _, end := range []int{1, 2, tokens/2 + 1, tokens - 1, tokens} {
			for _, from := range []int{0, 1, end / 3, end - 2, end - 1} {
				if from < 0 || from >= end {
					continue
				}
				// The whole has later tokens; both sequences of the part end at end.
				part := CausalAttention[T]{Heads: Heads{B: 2, T: end, C: h.C, Heads: h.Heads, From: from}}
				var cut, want, wantProbs []T
				for b := range h.B {
					cut = append(cut, qkv[b*h.T*3*h.C:][:end*3*h.C]...)
					want = append(want, whole[(b*h.T+from)*h.C:(b*h.T+end)*h.C]...)
					for i := range h.Heads {
						for r := from; r < end; r++ {
							wantProbs = append(wantProbs, all.kept[((b*h.Heads+i)*h.T+r)*h.T:][:end]...)
						}
					}
				}
				y := make([]T, len(want))
				part.Evaluate(y, cut)
				require.Equal(t, want, y, "%d to %d of %d, P not kept", from, end, tokens)
				require.Nil(t, part.kept)
				clear(y)
				part.Forward(y, cut)
				require.Equal(t, want, y, "%d to %d of %d", from, end, tokens)
				require.Equal(t, wantProbs, part.kept, "%d to %d of %d", from, end, tokens)
			}
		}
	}
}

// naiveAttention follows the formulas in the comment of CausalAttention.
func naiveAttention(qkv, dy []float64, h Heads) (y, dqkv []float64) {
	y, dqkv = make([]float64, len(dy)), make([]float64, len(qkv))
	n := h.C / h.Heads
	for b := range h.B {
		for i := range h.Heads {
			q := func(t int) int { return (b*h.T+t)*3*h.C + i*n } // K is C elements further, V is 2C
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

// TestMaxAttentionLogitIsItsFormula puts large logits and NaN at both ends of the keys that a token sees,
// and where no token sees them.
func TestMaxAttentionLogitIsItsFormula(t *testing.T) {
	t.Parallel()
	for _, tokens := range []int{1, 7, causalBlock, causalBlock + 1, 2*causalBlock + 9} {
		t.Run(fmt.Sprint("time ", tokens), func(t *testing.T) {
			h := Heads{B: 2, T: tokens, C: 15, Heads: 3}
			x := normals[float64](h.B*h.T*3*h.C, 0, 1)
			require.InEpsilon(t, naiveMaxLogit(x, h), MaxAttentionLogit(x, h), 1e-12)
			for _, query := range []int{0, tokens / 2, tokens - 1} {
				for _, key := range []int{0, query, min(query+1, tokens-1), tokens - 1} {
					for _, v := range []float64{100, math.NaN()} {
						y := append([]float64(nil), x...)
						second := func(token int) int { return (h.T+token)*3*h.C + h.size() } // sequence and head
						y[second(query)], y[second(key)+h.C] = 100, v
						want, got := naiveMaxLogit(y, h), MaxAttentionLogit(y, h)
						if math.IsNaN(want) {
							require.True(t, math.IsNaN(got), "query %d, key %d", query, key)
							continue
						}
						require.InEpsilon(t, want, got, 1e-12, "query %d, key %d, %v", query, key, v)
					}
				}
			}
		})
	}
}

// TestMaxAttentionLogitMayBeNegative has queries and keys of opposite directions, in float32.
func TestMaxAttentionLogitMayBeNegative(t *testing.T) {
	t.Parallel()
	h := Heads{B: 1, T: causalBlock + 3, C: 4, Heads: 1}
	x := make([]float32, h.T*3*h.C)
	for token := range h.T {
		x[token*3*h.C], x[token*3*h.C+h.C] = -float32(token+1), 2
	}
	require.Equal(t, float32(-1), MaxAttentionLogit(x, h))
}

func naiveMaxLogit(qkv []float64, h Heads) float64 {
	n, largest := h.size(), math.Inf(-1)
	for chunk := range h.B * h.Heads {
		b, i := chunk/h.Heads, chunk%h.Heads
		for query := range h.T {
			for key := range query + 1 {
				q, k := qkv[(b*h.T+query)*3*h.C+i*n:], qkv[(b*h.T+key)*3*h.C+h.C+i*n:]
				var logit float64
				for c := range n {
					logit += q[c] * k[c] / math.Sqrt(float64(n))
				}
				largest = max(largest, logit)
			}
		}
	}
	return largest
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
	x, y := normals[float64](h.B*h.T*3*h.C, 0, 1), make([]float64, h.B*h.T*h.C)
	dqkv, m := make([]float64, len(x)), make([]float64, 10000)
	a := CausalAttention[float64]{Heads: h}
	run := func() {
		a.Evaluate(y, x)
		a.Forward(y, x)
		a.Backward(dqkv, x, y)
		MaxAttentionLogit(x, h)
		Gemm(true, true, 50, 60, 90, 1, m, 50, m, 90, 1, m[5000:], 60)
		Linear(m, x, x, x, 20, 30)
	}
	run()
	require.Zero(t, testing.AllocsPerRun(20, run))
}
