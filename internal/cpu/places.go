package cpu

import "gorgonorm/internal/cpu/simd"

// Places say where in a tensor the elements of a matrix are: element (r, j) is at
// Rows[r] + Cols[j].
type Places struct{ Rows, Cols []int }

// NewPlaces gives the places of a matrix whose rows and columns run through those axes
// of a tensor of that shape, the last of each fastest.
func NewPlaces(shape, rows, cols []int) Places {
	strides, size := make([]int, len(shape)), 1
	for axis := len(shape) - 1; axis >= 0; axis-- {
		strides[axis] = size
		size *= shape[axis]
	}
	along := func(axes []int) []int {
		places := []int{0}
		for _, axis := range axes {
			var next []int
			for _, p := range places {
				for i := range shape[axis] {
					next = append(next, p+i*strides[axis])
				}
			}
			places = next
		}
		return places
	}
	return Places{along(rows), along(cols)}
}

// InOrder reports whether the matrix has its elements in the tensor's order.
func (p Places) InOrder() bool {
	for j, at := range p.Cols {
		if at != j {
			return false
		}
	}
	for r, at := range p.Rows {
		if at != r*len(p.Cols) {
			return false
		}
	}
	return true
}

// stride is how far apart neighbouring columns are, 0 where that is not one number.
func (p Places) stride() int {
	stride := 0
	for j := 1; j < len(p.Cols); j++ {
		switch d := p.Cols[j] - p.Cols[j-1]; {
		case j == 1:
			stride = d
		case d != stride:
			return 0
		}
	}
	return stride
}

// packing is a pass of Pack or Unpack under way, some rows a chunk.
type packing[T Float] struct {
	Places
	columnStride int
	packed, x    []T
}

type (
	packRows[T Float]   packing[T]
	unpackRows[T Float] packing[T]
)

// Pack copies the elements of a tensor that are at those places into the matrix that
// they make up.
func Pack[T Float](packed, x []T, places Places) {
	p := newPacking(packed, x, places)
	parallel((*packRows[T])(p), p.chunks())
	p.release()
}

// Unpack copies the elements of a matrix to their places in a tensor.
func Unpack[T Float](x, packed []T, places Places) {
	p := newPacking(packed, x, places)
	parallel((*unpackRows[T])(p), p.chunks())
	p.release()
}

func newPacking[T Float](packed, x []T, places Places) *packing[T] {
	p := borrow[packing[T]]()
	p.Places, p.columnStride, p.packed, p.x = places, places.stride(), packed, x
	return p
}

func (p *packing[T]) release() {
	*p = packing[T]{}
	giveBack(p)
}

// packedRows is the most rows of a block: few enough for what it touches to stay in the
// nearest cache.
const packedRows = 64

// chunks is how many tasks the rows are cut into, of whole blocks.
func (p *packing[T]) chunks() int { return ceilDiv(len(p.Rows), p.rowsAt()) }

func (p *packing[T]) rowsAt() int {
	return packedRows * max(1, span/(packedRows*len(p.Cols)))
}

// blocks cuts the rows of a chunk into blocks of rows that are neighbours in the tensor.
func (p *packing[T]) blocks(chunk int, do func(from, to int)) {
	from := chunk * p.rowsAt()
	end := min(from+p.rowsAt(), len(p.Rows))
	for from < end {
		to := from + 1
		for to < min(from+packedRows, end) && p.Rows[to] == p.Rows[to-1]+1 {
			to++
		}
		do(from, to)
		from = to
	}
}

// squares calls do with the first row and column of squares of lanes rows and columns
// that cover the block, the last of which overlap; it reports whether there are such.
func (p *packing[T]) squares(from, to, lanes int, do func(r, j int)) bool {
	cols := len(p.Cols)
	if p.columnStride <= 0 || to-from < lanes || cols < lanes {
		return false
	}
	for j := 0; j < cols; j += lanes {
		for r := from; r < to; r += lanes {
			do(min(r, to-lanes), min(j, cols-lanes))
		}
	}
	return true
}

func (t *packRows[T]) run(chunk int) {
	p, k := (*packing[T])(t), simd.Of[T]()
	cols := len(p.Cols)
	p.blocks(chunk, func(from, to int) {
		if p.squares(from, to, k.Lanes, func(r, j int) {
			k.Transpose(p.packed[r*cols+j:], cols, p.x[p.Rows[r]+p.Cols[j]:], p.columnStride, k.Lanes)
		}) {
			return
		}
		for j, at := range p.Cols {
			for i, v := range p.x[p.Rows[from]+at:][:to-from] {
				p.packed[(from+i)*cols+j] = v
			}
		}
	})
}

func (t *unpackRows[T]) run(chunk int) {
	p, k := (*packing[T])(t), simd.Of[T]()
	cols := len(p.Cols)
	p.blocks(chunk, func(from, to int) {
		if p.squares(from, to, k.Lanes, func(r, j int) {
			k.Transpose(p.x[p.Rows[r]+p.Cols[j]:], p.columnStride, p.packed[r*cols+j:], cols, k.Lanes)
		}) {
			return
		}
		for j, at := range p.Cols {
			column := p.x[p.Rows[from]+at:][:to-from]
			for i := range column {
				column[i] = p.packed[(from+i)*cols+j]
			}
		}
	})
}
