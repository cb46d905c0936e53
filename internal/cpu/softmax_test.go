package cpu

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/internal/cpu/simd"
)

// spread returns n numbers in [low, high), the same ones in any language.
func spread[T Float](n int, low, high float64) []T {
	x := make([]T, n)
	for i := range x {
		x[i] = T(low + (high-low)*(float64(uint32(i)*2654435761)/(1<<32)))
	}
	return x
}

// TestLongSoftmax compares a row as long as GPT-2's vocabulary with float64. On the same data the errors of
// PyTorch 1.13 on one thread, measured with mpmath, are 104 ulp in the softmax, 1.8 ε in the loss and 282 ε of
// the row's largest element in the gradient.
func TestLongSoftmax(t *testing.T) {
	t.Parallel()
	const cols, target = 50257, 0
	x := spread[float32](cols, -10, 10)
	var z float64
	for _, v := range x {
		z += math.Exp(float64(v))
	}
	var e CrossEntropy[float32]
	loss := e.Forward(x, []int{target}, cols)
	p := e.probs
	wantLoss := math.Log(z) - float64(x[target])
	var worst float64
	for i, v := range x {
		want := math.Exp(float64(v)) / z
		_, exponent := math.Frexp(want)
		worst = max(worst, math.Abs(float64(p[i])-want)/math.Ldexp(0x1p-23, exponent-1))
	}
	require.LessOrEqual(t, worst, 5.0)
	lossError := math.Abs(float64(loss)-wantLoss) / wantLoss / 0x1p-23
	require.LessOrEqual(t, lossError, 0.6)

	dp := spread[float32](cols, -1, 3)
	var dot, largest, gradient float64
	for i, v := range p {
		dot += float64(v) * float64(dp[i])
	}
	want := make([]float64, cols)
	for i, v := range p {
		want[i] = float64(v) * (float64(dp[i]) - dot)
		largest = max(largest, math.Abs(want[i]))
	}
	simd.Of[float32]().SoftmaxBackward(dp, p)
	for i, w := range want {
		gradient = max(gradient, math.Abs(float64(dp[i])-w)/largest/0x1p-23)
	}
	require.LessOrEqual(t, gradient, 5.0)
	t.Logf("softmax %.2f ulp, loss %.2f ε, gradient %.2f ε", worst, lossError, gradient)
}

// TestSoftmaxBlocks tests lengths around the one beyond which a row is summed in blocks.
func TestSoftmaxBlocks(t *testing.T) {
	t.Parallel()
	bothTypes(t, testSoftmaxBlocks[float32], testSoftmaxBlocks[float64])
}

func testSoftmaxBlocks[T Float](t *testing.T) {
	for _, n := range []int{1, softmaxBlock - 1, softmaxBlock, softmaxBlock + 1, 3*softmaxBlock + 7} {
		for _, mean := range []float64{0, 1e4} {
			x := normals[T](n, mean, 3)
			var z float64
			for _, v := range x {
				z += math.Exp(float64(v) - mean)
			}
			want := make([]float64, n)
			for i, v := range x {
				want[i] = math.Exp(float64(v)-mean) / z
			}
			top, sum := softmax(simd.Of[T](), x, x)
			require.InEpsilon(t, math.Log(z)+mean, math.Log(sum)+float64(top), 1e-6)
			for i, w := range want {
				require.InEpsilon(t, w, x[i], 2e-6, "%d of %d", i, n)
			}
		}
	}
}
