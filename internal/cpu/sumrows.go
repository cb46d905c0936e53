package cpu

import "gorgonorm/internal/cpu/simd"

// blockRows is the number of rows that are summed in T before the sum is added to one in
// float64, because the error of a sum in T grows with its terms.
const blockRows = 128

// blockSums are sums over rows, one a column of total: in T over a block of rows, and in
// float64 over the blocks of a chunk and over the chunks.
type blockSums[T Float] struct {
	block  []T       // for each chunk, the sums of its present block
	chunks []float64 // for each chunk, the sums of its blocks so far
	total  []float64
}

// borrowSums returns sums for that many chunks, to be given back.
func borrowSums[T Float](chunks, width int) *blockSums[T] {
	s := borrow[blockSums[T]]()
	s.block, s.chunks = Grow(s.block, chunks*width), Grow(s.chunks, chunks*width)
	s.total = Grow(s.total, width)
	return s
}

// run computes the sums of a chunk. The kernel adds those of the rows to block.
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

// add adds up the chunks in their order and returns the total.
func (s *blockSums[T]) add() []float64 {
	clear(s.total)
	for chunks := s.chunks; len(chunks) > 0; chunks = chunks[len(s.total):] {
		simd.Of[float64]().Accumulate(s.total, chunks[:len(s.total)])
	}
	return s.total
}

type sumRows[T Float] struct {
	x          []T
	rows, cols int
	sums       *blockSums[T]
}

// SumRows writes the sum of the rows of x.
func SumRows[T Float](sum, x []T, rows, cols int) {
	chunks := rowChunks(rows, cols)
	s, sums := borrow[sumRows[T]](), borrowSums[T](chunks, cols)
	*s = sumRows[T]{x, rows, cols, sums}
	parallel(s, chunks)
	store(sum, sums.add())
	*s = sumRows[T]{}
	giveBack(s)
	giveBack(sums)
}

func (s *sumRows[T]) run(chunk int) {
	from, to := rowsOf(chunk, s.rows, s.cols)
	s.sums.run(chunk, from, to, func(block []T, from, to int) {
		for r := from; r < to; r++ {
			simd.Of[T]().Add(block, block, s.x[r*s.cols:(r+1)*s.cols])
		}
	})
}

// store converts sums to dst's element type. A nil dst is left out.
func store[T Float](dst []T, sums []float64) {
	for j := range dst {
		dst[j] = T(sums[j])
	}
}
