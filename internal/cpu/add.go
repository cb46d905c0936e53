package cpu

import "gorgonorm/internal/cpu/simd"

type addTask[T Float] struct{ z, x, y []T }

// Add is z = x + y.
func Add[T Float](z, x, y []T) {
	t := borrow[addTask[T]]()
	*t = addTask[T]{z, x, y}
	parallel(t, spanChunks(len(z)))
	*t = addTask[T]{}
	giveBack(t)
}

func (t *addTask[T]) run(chunk int) {
	i, j := spanOf(chunk, len(t.z))
	simd.Of[T]().Add(t.z[i:j], t.x[i:j], t.y[i:j])
}

type scaleTask[T Float] struct {
	x []T
	s T
}

// Scale multiplies every element by s.
func Scale[T Float](x []T, s T) {
	t := borrow[scaleTask[T]]()
	*t = scaleTask[T]{x, s}
	parallel(t, spanChunks(len(x)))
	*t = scaleTask[T]{}
	giveBack(t)
}

func (t *scaleTask[T]) run(chunk int) {
	i, j := spanOf(chunk, len(t.x))
	simd.Of[T]().Scale(t.x[i:j], t.x[i:j], t.s)
}

type squaresTask[T Float] struct {
	x    []T
	sums []float64 // one a chunk
}

// SumSquares is Σx², taken in float64.
func SumSquares[T Float](x []T) (s float64) {
	t := borrow[squaresTask[T]]()
	t.x, t.sums = x, Grow(t.sums, spanChunks(len(x)))
	parallel(t, len(t.sums))
	for _, v := range t.sums {
		s += v
	}
	t.x = nil
	giveBack(t)
	return s
}

func (t *squaresTask[T]) run(chunk int) {
	i, j := spanOf(chunk, len(t.x))
	t.sums[chunk] = simd.Of[T]().SumSquares(t.x[i:j])
}
