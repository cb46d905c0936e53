package cpu

import "gorgonorm/internal/cpu/simd"

type addTask[T Float] struct{ z, x, y []T }

// Add computes z = x + y.
func Add[T Float](z, x, y []T) { do(&addTask[T]{z, x, y}, spanChunks(len(z))) }

func (t *addTask[T]) run(chunk int) {
	i, j := spanOf(chunk, len(t.z))
	simd.Of[T]().Add(t.z[i:j], t.x[i:j], t.y[i:j])
}

type scaleTask[T Float] struct {
	x []T
	s T
}

// Scale multiplies every element of x by s.
func Scale[T Float](x []T, s T) { do(&scaleTask[T]{x, s}, spanChunks(len(x))) }

func (t *scaleTask[T]) run(chunk int) {
	i, j := spanOf(chunk, len(t.x))
	simd.Of[T]().Scale(t.x[i:j], t.x[i:j], t.s)
}

type squaresTask[T Float] struct {
	x    []T
	sums []float64 // one for each chunk
}

// SumSquares returns Σx², summed in float64.
func SumSquares[T Float](x []T) (sum float64) {
	t := borrow[squaresTask[T]]()
	t.x, t.sums = x, Grow(t.sums, spanChunks(len(x)))
	parallel(t, len(t.sums))
	for _, s := range t.sums {
		sum += s
	}
	t.x = nil
	giveBack(t)
	return sum
}

func (t *squaresTask[T]) run(chunk int) {
	i, j := spanOf(chunk, len(t.x))
	t.sums[chunk] = simd.Of[T]().SumSquares(t.x[i:j])
}
