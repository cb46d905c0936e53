package cpu

import "gorgonorm/internal/cpu/simd"

// Gather copies rows of table: y[i] = table[ids[i]].
func Gather[T Float](y, table []T, ids []int, cols int) {
	for i, id := range ids {
		copy(y[i*cols:(i+1)*cols], table[id*cols:(id+1)*cols])
	}
}

// gatherBackward is a pass under way, a stretch of the table a chunk, which picks
// its rows from all of the ids.
type gatherBackward[T Float] struct {
	dtable, dy []T
	ids        []int
	cols       int
}

// GatherBackward sums the gradients of a row's uses: dtable[id] = Σ dy[i] over
// ids[i] = id, taken in T as a matrix product with one-hot rows would.
func GatherBackward[T Float](dtable, dy []T, ids []int, cols int) {
	g := borrow[gatherBackward[T]]()
	*g = gatherBackward[T]{dtable, dy, ids, cols}
	parallel(g, ceilDiv(len(dtable)/cols, g.rowsAt()))
	*g = gatherBackward[T]{}
	giveBack(g)
}

// rowsAt is how many rows of the table one task takes. To look through the ids
// costs little beside them.
func (g *gatherBackward[T]) rowsAt() int { return max(1, 64*span/g.cols) }

func (g *gatherBackward[T]) run(chunk int) {
	from, to := chunk*g.rowsAt(), min((chunk+1)*g.rowsAt(), len(g.dtable)/g.cols)
	clear(g.dtable[from*g.cols : to*g.cols])
	kernels := simd.Of[T]()
	for i, id := range g.ids {
		if from <= id && id < to {
			row := g.dtable[id*g.cols : (id+1)*g.cols]
			kernels.Add(row, row, g.dy[i*g.cols:(i+1)*g.cols])
		}
	}
}
