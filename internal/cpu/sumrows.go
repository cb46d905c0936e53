package cpu

import "gorgonorm/internal/cpu/simd"

// Sums over rows are taken in T within a chunk of them, and over the chunks, of
// which there are at most rowChunks, in float64.
const rowChunks = 64

// rowsAt is how many of the rows one task takes.
func rowsAt(rows, cols int) int { return max(1, span/cols, ceilDiv(rows, rowChunks)) }

type sumRows[T Float] struct {
	x          []T
	rows, cols int
	partial    []T // cols a chunk
	total      []float64
}

var rowSums lists[sumRows[float32], sumRows[float64]]

// SumRows adds up the rows of x.
func SumRows[T Float](sum, x []T, rows, cols int) {
	list := listOf[sumRows[T]](&rowSums)
	s := list.get()
	s.x, s.rows, s.cols = x, rows, cols
	chunks := ceilDiv(rows, rowsAt(rows, cols))
	s.partial, s.total = Grow(s.partial, chunks*cols), Grow(s.total, cols)
	parallel(s, chunks)
	addUp(s.total, s.partial)
	store(sum, s.total)
	s.x = nil
	list.put(s)
}

func (s *sumRows[T]) run(chunk int) {
	sum := s.partial[chunk*s.cols : (chunk+1)*s.cols]
	clear(sum)
	at := rowsAt(s.rows, s.cols)
	for r := chunk * at; r < min((chunk+1)*at, s.rows); r++ {
		simd.Of[T]().Add(sum, sum, s.x[r*s.cols:(r+1)*s.cols])
	}
}

// addUp sums the chunks' parts, each as long as total, in their order.
func addUp[T Float](total []float64, parts []T) {
	clear(total)
	for ; len(parts) > 0; parts = parts[len(total):] {
		simd.Of[T]().Accumulate(total, parts[:len(total)])
	}
}

// store converts sums to dst's element type; a nil dst takes none.
func store[T Float](dst []T, sums []float64) {
	for j := range dst {
		dst[j] = T(sums[j])
	}
}
