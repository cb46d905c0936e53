package cpu

import "gorgonorm/internal/cpu/simd"

// Places are where the elements of a matrix are in a tensor: element (r, j) is at
// Rows[r] + Cols[j].
type Places struct{ Rows, Cols []int }

// NewPlaces returns the places of a matrix in a tensor of that shape. Its rows and its columns
// each run through some of the tensor's axes, the last fastest.
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

// InOrder reports whether the matrix is the tensor itself, element by element.
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

// stride returns the distance between neighbouring columns, or 0 if it varies.
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

// Packing copies the elements at some places of a tensor together into a matrix, and back.
type Packing[T Float] struct {
	Places

	columnStride int // of the pass under way
	packed, x    []T // the caller's
}

// These tasks take some rows a chunk.
type (
	packRows[T Float]   Packing[T]
	unpackRows[T Float] Packing[T]
)

// Pack copies elements of a tensor into the matrix.
func (p *Packing[T]) Pack(packed, x []T) { p.pass((*packRows[T])(p), packed, x) }

// Unpack copies the elements of the matrix to their places in a tensor.
func (p *Packing[T]) Unpack(x, packed []T) { p.pass((*unpackRows[T])(p), packed, x) }

func (p *Packing[T]) pass(t task, packed, x []T) {
	p.columnStride, p.packed, p.x = p.stride(), packed, x
	parallel(t, p.chunks())
	p.packed, p.x = nil, nil
}

// packedRows bounds the rows of a block, so that what it touches stays in the nearest cache.
const packedRows = 64

// chunks returns how many chunks the rows are cut into.
func (p *Packing[T]) chunks() int { return ceilDiv(len(p.Rows), p.rowsPerChunk()) }

func (p *Packing[T]) rowsPerChunk() int {
	return packedRows * max(1, span/(packedRows*len(p.Cols)))
}

// blocks calls do with blocks of a chunk's rows that are neighbours in the tensor.
func (p *Packing[T]) blocks(chunk int, do func(from, to int)) {
	from := chunk * p.rowsPerChunk()
	end := min(from+p.rowsPerChunk(), len(p.Rows))
	for from < end {
		to := from + 1
		for to < min(from+packedRows, end) && p.Rows[to] == p.Rows[to-1]+1 {
			to++
		}
		do(from, to)
		from = to
	}
}

// squares covers a block with squares of lanes rows and columns, the last of which may overlap
// the others, and calls do with the first row and column of each. It reports false without
// calling do if the block is too small or its columns are unevenly spaced.
func (p *Packing[T]) squares(from, to, lanes int, do func(r, j int)) bool {
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
	p, k := (*Packing[T])(t), simd.Of[T]()
	cols := len(p.Cols)
	p.blocks(chunk, func(from, to int) {
		if p.columnStride == 1 { // a row is contiguous, and a block of its own
			copy(p.packed[from*cols:to*cols], p.x[p.Rows[from]+p.Cols[0]:])
			return
		}
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
	p, k := (*Packing[T])(t), simd.Of[T]()
	cols := len(p.Cols)
	p.blocks(chunk, func(from, to int) {
		if p.columnStride == 1 {
			copy(p.x[p.Rows[from]+p.Cols[0]:], p.packed[from*cols:to*cols])
			return
		}
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
