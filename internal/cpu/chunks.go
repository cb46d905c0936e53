package cpu

// Kernels cut their work into chunks. The borders of the chunks depend on the shape of the data
// alone, so results do not depend on the number of threads.

// span is the number of elements in a chunk: few enough to share the work out, enough to make the
// cost of handing out a chunk negligible.
const span = 1 << 14

// spanChunks returns the number of chunks of n elements.
func spanChunks(n int) int { return ceilDiv(n, span) }

// spanOf returns the range of a chunk's elements among n.
func spanOf(chunk, n int) (from, to int) { return chunk * span, min((chunk+1)*span, n) }

// mostRowChunks bounds the number of chunks of a matrix, because sums over rows are kept for each.
const mostRowChunks = 64

// rowsPerChunk returns the number of rows in a chunk of a matrix.
func rowsPerChunk(rows, cols int) int { return max(1, span/cols, ceilDiv(rows, mostRowChunks)) }

// rowChunks returns the number of chunks of a matrix.
func rowChunks(rows, cols int) int { return ceilDiv(rows, rowsPerChunk(rows, cols)) }

// rowsOf returns the range of a chunk's rows.
func rowsOf(chunk, rows, cols int) (from, to int) {
	n := rowsPerChunk(rows, cols)
	return chunk * n, min((chunk+1)*n, rows)
}

// ceilDiv returns ⌈a/b⌉.
func ceilDiv(a, b int) int { return (a + b - 1) / b }
