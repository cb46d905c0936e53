package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Rows that come from memory are worked on such that memory is read and written
// all the time, each in one sequence: a pass over new rows goes along with the
// writing of one from before, and asks for what the next pass will read.

// stream normalizes as many rows at a time as their statistics take passes.
func (n rowNorm) stream(y, x reg.GPVirtual) {
	n.tail = nil
	group := n.passes()
	loop, last, rest := label("loop"), label("last"), label("rest")
	ahead := n.distance(group)
	XORQ(n.row, n.row)
	unless(n.row, n.rows(), group, rest)
	before := copyOf(x)
	n.statistics(x, group, n.nothing)
	next := func() {
		n.pitch.skip(group, x)
		ADDQ(U8(group), n.row)
	}
	next()
	Label(loop)
	unless(n.row, n.rows(), group, last)
	asked := GP64()
	LEAQ(Mem{Base: x, Index: ahead, Scale: 1}, asked)
	n.statistics(x, group, func(pass int) work {
		w := n.normalize(y, before, pass-group, true)
		return work{func(t *tail) {
			PREFETCHT1(Mem{Base: asked})
			w.do(t)
		}, append(w.pointers, asked)}
	})
	next()
	JMP(LabelRef(loop))
	Label(last)
	for r := range group {
		n.sweep(n.cols, nil, n.normalize(y, before, r-group, true))
	}
	Label(rest)
	while(n.row, n.rows(), 1, func(int) {
		n.statistics(x, 1, n.nothing)
		n.sweep(n.cols, nil, n.normalize(y, x, 0, true))
	})
}

// streamBackward works on a row at a time.
func (n rowNorm) streamBackward(dx, x, dy reg.GPVirtual, slope Mem) {
	n.tail = nil
	loop, last, done := label("loop"), label("last"), label("done")
	ahead := n.distance(1)
	XORQ(n.row, n.row)
	unless(n.row, n.rows(), 1, done)
	xBefore, dyBefore := copyOf(x), copyOf(dy)
	n.gradientSums(x, dy, 1, slope)
	INCQ(n.row)
	Label(loop)
	unless(n.row, n.rows(), 1, last)
	w := n.inputGradient(dx, xBefore, dyBefore, -1, slope, true)
	n.gradientSums(x, dy, 1, slope, work{func(t *tail) {
		PREFETCHT1(Mem{Base: x, Index: ahead, Scale: 1})
		PREFETCHT1(Mem{Base: dy, Index: ahead, Scale: 1})
		w.do(t)
	}, w.pointers})
	INCQ(n.row)
	JMP(LabelRef(loop))
	Label(last)
	n.sweep(n.cols, nil, n.inputGradient(dx, xBefore, dyBefore, -1, slope, true))
	Label(done)
}

// distance is how many bytes ahead to ask for: so many rows, but at least a page.
func (n rowNorm) distance(rows int) reg.GPVirtual {
	d, page := GP64(), GP64()
	XORQ(d, d)
	LEAQ(Mem{Base: d, Index: n.pitch.one, Scale: uint8(rows)}, d)
	MOVQ(U32(4096), page)
	CMPQ(d, page)
	CMOVQCS(page, d)
	return d
}
