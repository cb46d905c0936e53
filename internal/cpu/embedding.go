package cpu

import "gorgonorm/internal/cpu/simd"

// Gather copies rows of table: y[i] = table[ids[i]].
func Gather[T Float](y, table []T, ids []int, cols int) {
	for i, id := range ids {
		copy(y[i*cols:(i+1)*cols], table[id*cols:(id+1)*cols])
	}
}

// gatherBackward has some rows of the table in each chunk, which looks for their ids among all.
type gatherBackward[T Float] struct {
	dtable, dy []T
	ids        []int
	cols       int
}

// GatherBackward computes the gradient of Gather's table: dtable[id] = Σ dy[i] over the i with
// ids[i] = id. It sums in T, as a matrix product with one-hot rows would.
func GatherBackward[T Float](dtable, dy []T, ids []int, cols int) {
	g := &gatherBackward[T]{dtable, dy, ids, cols}
	do(g, ceilDiv(len(dtable)/cols, g.rowsPerChunk()))
}

// rowsPerChunk returns a number of rows that cost much more than looking through the ids.
func (g *gatherBackward[T]) rowsPerChunk() int { return max(1, 64*span/g.cols) }

func (g *gatherBackward[T]) run(chunk int) {
	n := g.rowsPerChunk()
	from, to := chunk*n, min((chunk+1)*n, len(g.dtable)/g.cols)
	clear(g.dtable[from*g.cols : to*g.cols])
	kernels := simd.Of[T]()
	for i, id := range g.ids {
		if from <= id && id < to {
			row := g.dtable[id*g.cols : (id+1)*g.cols]
			kernels.Add(row, row, g.dy[i*g.cols:(i+1)*g.cols])
		}
	}
}
