package cpu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"gorgonorm/internal/cpu/simd"
	"gorgonorm/internal/edge"
)

// TestGemmLeavesNoMatrix multiplies matrices of all sizes to 33, in all transpositions, with and without
// gaps between rows, at both edges of a page. Gaps of C must stay as they are.
func TestGemmLeavesNoMatrix(t *testing.T) {
	best := simd.Of[float32]().Name
	defer func() { require.NoError(t, simd.Choose(best)) }()
	for _, name := range simd.Names() {
		require.NoError(t, simd.Choose(name))
		t.Run("float32/"+name, gemmLeavesNone[float32])
		t.Run("float64/"+name, gemmLeavesNone[float64])
	}
}

func gemmLeavesNone[T Float](t *testing.T) {
	const most, gap = 33, 3
	memory, err := edge.New[T](3, most*(most+gap))
	require.NoError(t, err)
	step := 1
	if testing.Short() {
		step = 5
	}
	if simd.Of[T]().Name == simd.Names()[0] { // Go checks bounds itself
		step *= 11
	}
	calls := 0
	for size := 0; size < most*most*most; size += step {
		m, n, k := size/most/most+1, size/most%most+1, size%most+1
		for kind := range 8 {
			transA, transB, end := kind&1 != 0, kind&2 != 0, kind&4 != 0
			between := (m + n + k) % 2 * gap
			matrix := func(rows, cols int, transposed bool) (x []T, ld int) {
				if transposed {
					rows, cols = cols, rows
				}
				return memory.Slice((rows-1)*(cols+between) + cols), cols + between
			}
			memory.Start(end, -1)
			a, lda := matrix(m, k, transA)
			b, ldb := matrix(k, n, transB)
			c, ldc := matrix(m, n, false)
			want := append([]T(nil), c...)
			require.False(t, edge.Faults(func() { Gemm(transA, transB, m, n, k, 1.5, a, lda, b, ldb, T(calls%2), c, ldc) }),
				"%d×%d×%d, transposed %v %v, gap %d, at the end: %v", m, k, n, transA, transB, between, end)
			for i, v := range want {
				if i%ldc >= n && v != c[i] {
					t.Fatalf("%d×%d×%d: element %d between rows is %g, was %g", m, k, n, i, c[i], v)
				}
			}
			calls++
		}
	}
	t.Logf("%d calls", calls)
}
