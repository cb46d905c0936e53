package cpu

import "gorgonorm/internal/cpu/simd"

// span is how many elements of a long slice one task works on: few enough to
// share work out, many enough that handing it out costs nothing.
const span = 1 << 14

func spans(n int) int { return ceilDiv(n, span) }

// bounds are the elements of n that a chunk covers.
func bounds(chunk, n int) (from, to int) { return chunk * span, min((chunk+1)*span, n) }

type addTask[T Float] struct{ z, x, y []T }

var adds lists[addTask[float32], addTask[float64]]

// Add is z = x + y.
func Add[T Float](z, x, y []T) {
	list := listOf[addTask[T]](&adds)
	t := list.get()
	*t = addTask[T]{z, x, y}
	parallel(t, spans(len(z)))
	*t = addTask[T]{}
	list.put(t)
}

func (t *addTask[T]) run(chunk int) {
	i, j := bounds(chunk, len(t.z))
	simd.Of[T]().Add(t.z[i:j], t.x[i:j], t.y[i:j])
}

type scaleTask[T Float] struct {
	x []T
	s T
}

var scales lists[scaleTask[float32], scaleTask[float64]]

// Scale multiplies every element by s.
func Scale[T Float](x []T, s T) {
	list := listOf[scaleTask[T]](&scales)
	t := list.get()
	*t = scaleTask[T]{x, s}
	parallel(t, spans(len(x)))
	*t = scaleTask[T]{}
	list.put(t)
}

func (t *scaleTask[T]) run(chunk int) {
	i, j := bounds(chunk, len(t.x))
	simd.Of[T]().Scale(t.x[i:j], t.x[i:j], t.s)
}

type squaresTask[T Float] struct {
	x    []T
	sums []float64 // one a chunk
}

var squares lists[squaresTask[float32], squaresTask[float64]]

// SumSquares is Σx², taken in float64.
func SumSquares[T Float](x []T) (s float64) {
	list := listOf[squaresTask[T]](&squares)
	t := list.get()
	t.x, t.sums = x, Grow(t.sums, spans(len(x)))
	parallel(t, len(t.sums))
	for _, v := range t.sums {
		s += v
	}
	t.x = nil
	list.put(t)
	return s
}

func (t *squaresTask[T]) run(chunk int) {
	i, j := bounds(chunk, len(t.x))
	t.sums[chunk] = simd.Of[T]().SumSquares(t.x[i:j])
}
