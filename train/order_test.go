package train

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestManyWindowsAreSpreadEvenly has so many that products of their numbers need more than 32 bits.
func TestManyWindowsAreSpreadEvenly(t *testing.T) {
	t.Parallel()
	const many, few = 90_000, 30_000
	domains := [][]int{make([]int, many), make([]int, few)}
	for i := range domains[1] {
		domains[1][i] = 1
	}
	ordered := interleaved(domains)
	require.Len(t, ordered, many+few)
	seen := 0
	for i, domain := range ordered {
		seen += domain
		require.InDelta(t, float64(i+1)/4, seen, 2, "one in four")
	}
}
