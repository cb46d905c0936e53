package cpu

import "gorgonorm/internal/cpu/simd"

// blockRows is how many rows are summed in T before float64 goes on: sums in T of
// many rows are less and less exact.
const blockRows = 128

// blockSums are sums over rows, as many side by side as total is long: in T over a
// block of rows, in float64 over the blocks of a chunk and over the chunks.
type blockSums[T Float] struct {
	block  []T       // of each chunk, the block at hand
	chunks []float64 // of each chunk, its blocks so far
	total  []float64
}

func (s *blockSums[T]) resize(chunks, width int) {
	s.block, s.chunks, s.total = Grow(s.block, chunks*width), Grow(s.chunks, chunks*width), Grow(s.total, width)
}

// run takes the sums of a chunk: kernel adds those of rows to block.
func (s *blockSums[T]) run(chunk, from, to int, kernel func(block []T, from, to int)) {
	width := len(s.total)
	block, sums := s.block[chunk*width:(chunk+1)*width], s.chunks[chunk*width:(chunk+1)*width]
	clear(sums)
	for ; from < to; from += blockRows {
		clear(block)
		kernel(block, from, min(from+blockRows, to))
		simd.Of[T]().Accumulate(sums, block)
	}
}

// add sums the chunks in their order.
func (s *blockSums[T]) add() {
	clear(s.total)
	for chunks := s.chunks; len(chunks) > 0; chunks = chunks[len(s.total):] {
		simd.Of[float64]().Accumulate(s.total, chunks[:len(s.total)])
	}
}

type sumRows[T Float] struct {
	x          []T
	rows, cols int
	sums       blockSums[T]
}

// SumRows adds up the rows of x.
func SumRows[T Float](sum, x []T, rows, cols int) {
	s := borrow[sumRows[T]]()
	s.x, s.rows, s.cols = x, rows, cols
	chunks := rowChunks(rows, cols)
	s.sums.resize(chunks, cols)
	parallel(s, chunks)
	s.sums.add()
	store(sum, s.sums.total)
	s.x = nil
	giveBack(s)
}

func (s *sumRows[T]) run(chunk int) {
	from, to := rowsOf(chunk, s.rows, s.cols)
	s.sums.run(chunk, from, to, func(block []T, from, to int) {
		for r := from; r < to; r++ {
			simd.Of[T]().Add(block, block, s.x[r*s.cols:(r+1)*s.cols])
		}
	})
}

// store converts sums to dst's element type; a nil dst takes none.
func store[T Float](dst []T, sums []float64) {
	for j := range dst {
		dst[j] = T(sums[j])
	}
}
