package cpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// rowNormOf is a row norm, as a constructor.
type rowNormOf[T Float] struct {
	name string
	make func(cols int) *RowNorm[T]
}

func rowNormsOf[T Float]() []rowNormOf[T] {
	return []rowNormOf[T]{
		{"LayerNorm", func(cols int) *RowNorm[T] { return NewLayerNorm[T](cols, 1e-5) }},
		{"RMSNorm", func(cols int) *RowNorm[T] { return NewRMSNorm[T](cols, cols, 1e-5) }},
		{"partial RMSNorm", func(cols int) *RowNorm[T] { return NewRMSNorm[T](cols, (cols+1)/2, 1e-5) }},
	}
}

// rowsWithHardOnes returns rows of normal numbers; some have a large mean, some are constant, tiny or
// huge, and some have a NaN.
func rowsWithHardOnes[T Float](rng *rand.Rand, rows, cols int) []T {
	x := make([]T, rows*cols)
	for r := range rows {
		kind := rng.IntN(12)
		for j := range cols {
			v := rng.NormFloat64()
			switch kind {
			case 0:
				v += 1e4
			case 1:
				v = 3
			case 2:
				v *= 1e-25
			case 3:
				v *= 1e25
			case 4:
				if j == cols/2 {
					v = math.NaN()
				}
			}
			x[r*cols+j] = T(v)
		}
	}
	return x
}

func equalBits[T Float](a, b []T) bool {
	return slices.EqualFunc(a, b, func(x, y T) bool { return x == y || x != x && y != y })
}

// TestARowDoesNotDependOnItsBatch: y and dx of a row are the same bits wherever the row stands and
// whatever its neighbours are, for every row norm, in float32 and float64.
func TestARowDoesNotDependOnItsBatch(t *testing.T) {
	t.Parallel()
	t.Run("float32", func(t *testing.T) { t.Parallel(); rowsAlone[float32](t) })
	t.Run("float64", func(t *testing.T) { t.Parallel(); rowsAlone[float64](t) })
}

func rowsAlone[T Float](t *testing.T) {
	shapes := [][2]int{{3, 100_000}, {12_000, 256}, {30_000, 128}} // wide, and larger than the caches
	if testing.Short() {
		shapes = nil
	}
	rng := rand.New(rand.NewPCG(7, 7))
	for range 60 {
		shapes = append(shapes, [2]int{1 + rng.IntN(90), 1 + rng.IntN(700)})
	}
	compared := 0
	for _, shape := range shapes {
		rows, cols := shape[0], shape[1]
		x, dy := rowsWithHardOnes[T](rng, rows, cols), rowsWithHardOnes[T](rng, rows, cols)
		gamma, beta := rowsWithHardOnes[T](rng, 1, cols), make([]T, cols)
		for _, norm := range rowNormsOf[T]() {
			y, dx, unused := make([]T, len(x)), make([]T, len(x)), make([]T, cols)
			whole, alone := norm.make(cols), norm.make(cols)
			whole.Forward(y, x, gamma, beta)
			whole.Backward(dx, unused, nil, x, gamma, dy)
			y1, dx1 := make([]T, cols), make([]T, cols)
			for range min(rows, 40) {
				r := rng.IntN(rows)
				i, j := r*cols, (r+1)*cols
				alone.Forward(y1, x[i:j], gamma, beta)
				alone.Backward(dx1, unused, nil, x[i:j], gamma, dy[i:j])
				what := fmt.Sprintf("%s, row %d of %d×%d", norm.name, r, rows, cols)
				require.True(t, equalBits(y[i:j], y1), "y of %s", what)
				require.True(t, equalBits(dx[i:j], dx1), "dx of %s", what)
				compared++
			}
		}
	}
	t.Logf("%d rows", compared)
}
