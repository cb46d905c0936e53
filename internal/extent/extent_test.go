package extent

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestProduct compares Product with integers that do not overflow.
func TestProduct(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.OneOf(
			rapid.IntRange(0, 9),
			rapid.IntMin(1),
			rapid.SampledFrom([]int{-1, math.MinInt, Max, Max + 1, Max / 2, math.MaxInt, math.MaxInt/2 + 1, 1 << 16,
				1 << 18}),
		), 0, 5).Draw(t, "sizes")
		want, ok := big.NewInt(1), true
		for _, s := range sizes {
			want.Mul(want, big.NewInt(int64(s)))
			ok = ok && s >= 0 && want.Cmp(big.NewInt(Max)) <= 0
		}
		n, got := Product(sizes...)
		require.Equal(t, ok, got)
		if ok {
			require.Equal(t, want.Int64(), int64(n))
		}
		n, err := Of("x", sizes)
		if ok {
			require.NoError(t, err)
			require.Equal(t, want.Int64(), int64(n))
		} else {
			require.EqualError(t, err, fmt.Sprintf("x has shape %v, want sizes of 0 or more and at most %d elements",
				sizes, Max))
		}
	})
}
