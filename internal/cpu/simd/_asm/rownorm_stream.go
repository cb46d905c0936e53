package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The kernels for rows in memory read and write it all the time, each in one sequence. A
// pass over new rows writes a previous row at the same time, and prefetches the data of the
// next pass.

// stream writes the forward pass. It normalizes as many rows at a time as their statistics
// take passes.
func (n rowNorm) stream(y, x reg.GPVirtual) {
	n.tail = nil
	group := n.passes()
	loop, last, rest := label("loop"), label("last"), label("rest")
	ahead := n.distance(group)
	XORQ(n.row, n.row)
	unless(n.row, n.rows(), group, rest)
	before := copyOf(x)
	n.statistics(x, group, nil, n.nothing)
	next := func() {
		n.pitch.skip(group, x)
		ADDQ(U8(group), n.row)
	}
	next()
	Label(loop)
	unless(n.row, n.rows(), group, last)
	if n.with { // the operands are prefetched where they are loaded, and x is in the cache
		n.statistics(x, group, ahead, func(pass int) work { return n.normalize(y, before, pass-group, true) })
	} else {
		asked := GP64()
		LEAQ(Mem{Base: x, Index: ahead, Scale: 1}, asked)
		n.statistics(x, group, nil, func(pass int) work {
			w := n.normalize(y, before, pass-group, true)
			return work{do: func(t *tail) {
				PREFETCHT1(Mem{Base: asked})
				w.do(t)
			}, pointers: append(w.pointers, asked)}
		})
	}
	next()
	JMP(LabelRef(loop))
	Label(last)
	for r := range group {
		n.sweep(n.cols, nil, n.normalize(y, before, r-group, true))
	}
	Label(rest)
	while(n.row, n.rows(), 1, func(int) {
		n.statistics(x, 1, nil, n.nothing)
		n.sweep(n.cols, nil, n.normalize(y, x, 0, true))
	})
}

// streamBackward writes the backward pass, which works on one row at a time.
func (n rowNorm) streamBackward(dx, x, dy reg.GPVirtual, slope Mem) {
	n.tail = nil
	loop, last, done := label("loop"), label("last"), label("done")
	XORQ(n.row, n.row)
	unless(n.row, n.rows(), 1, done)
	xBefore, dyBefore := copyOf(x), copyOf(dy)
	n.gradientSums(x, dy, 1, slope)
	INCQ(n.row)
	Label(loop)
	unless(n.row, n.rows(), 1, last)
	prefetch := work{do: func(*tail) {
		PREFETCHT0(Mem{Base: x, Disp: leastDistance})
		PREFETCHT0(Mem{Base: dy, Disp: leastDistance})
	}}
	n.gradientSums(x, dy, 1, slope, prefetch, n.inputGradient(dx, xBefore, dyBefore, -1, slope, true))
	INCQ(n.row)
	JMP(LabelRef(loop))
	Label(last)
	n.sweep(n.cols, nil, n.inputGradient(dx, xBefore, dyBefore, -1, slope, true))
	Label(done)
}

// leastDistance is how many bytes ahead to prefetch at least: two pages.
const leastDistance = 8192

// distance returns how many bytes ahead to prefetch: the given number of rows, but at least leastDistance.
func (n rowNorm) distance(rows int) reg.GPVirtual {
	d, least := n.rowsAhead(rows), GP64()
	MOVQ(U32(leastDistance), least)
	CMPQ(d, least)
	CMOVQCS(least, d)
	return d
}

// rowsAhead returns the number of bytes of 1, 2 or 4 rows.
func (n rowNorm) rowsAhead(rows int) reg.GPVirtual {
	d := copyOf(n.pitch.one)
	for k := 1; k < rows; k *= 2 {
		ADDQ(d, d)
	}
	return d
}

// ask returns the work of prefetching at a distance in bytes after the pointers, which other
// work moves.
func ask(distance reg.Register, pointers ...reg.Register) work {
	return work{do: func(t *tail) {
		for _, p := range pointers {
			if t == nil {
				PREFETCHT0(Mem{Base: p, Index: distance, Scale: 1})
			}
		}
	}}
}
