package cpu

// The borders of the chunks that kernels cut their work into depend on the shape of the data
// alone, so that results do not depend on the number of threads.

// span is how many elements a chunk has: few enough to share the work out, so many that
// handing it out costs nothing.
const span = 1 << 14

// spanChunks returns how many chunks n elements are cut into.
func spanChunks(n int) int { return ceilDiv(n, span) }

// spanOf returns the elements of a chunk, of n.
func spanOf(chunk, n int) (from, to int) { return chunk * span, min((chunk+1)*span, n) }

// mostRowChunks bounds the chunks of a matrix, because sums over rows are kept for each.
const mostRowChunks = 64

// rowsPerChunk returns how many rows of a matrix a chunk has.
func rowsPerChunk(rows, cols int) int { return max(1, span/cols, ceilDiv(rows, mostRowChunks)) }

// rowChunks returns how many chunks the rows of a matrix are cut into.
func rowChunks(rows, cols int) int { return ceilDiv(rows, rowsPerChunk(rows, cols)) }

// rowsOf returns the rows of a chunk.
func rowsOf(chunk, rows, cols int) (from, to int) {
	n := rowsPerChunk(rows, cols)
	return chunk * n, min((chunk+1)*n, rows)
}

// ceilDiv returns ⌈a/b⌉.
func ceilDiv(a, b int) int { return (a + b - 1) / b }
