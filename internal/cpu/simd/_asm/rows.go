package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// pitch is the distance of a matrix's rows in bytes, and three times that, so
// that four rows are addressed from one pointer.
type pitch struct{ one, three reg.GPVirtual }

func newPitch(bytes reg.GPVirtual) pitch {
	three := GP64()
	LEAQ(Mem{Base: bytes, Index: bytes, Scale: 2}, three)
	return pitch{bytes, three}
}

// pitchOf is the pitch of rows that lie close together.
func (g gen) pitchOf(cols reg.Register) pitch {
	bytes := copyOf(cols)
	g.bytes(bytes)
	return newPitch(bytes)
}

// row addresses what lies r rows after p.
func (s pitch) row(p reg.Register, r int) Mem {
	switch r {
	case 0:
		return Mem{Base: p}
	case 3:
		return Mem{Base: p, Index: s.three, Scale: 1}
	}
	return Mem{Base: p, Index: s.one, Scale: uint8(r)}
}

// skip moves pointers past 1, 2 or 4 rows.
func (s pitch) skip(rows int, pointers ...reg.Register) {
	for _, p := range pointers {
		LEAQ(Mem{Base: p, Index: s.one, Scale: uint8(rows)}, p)
	}
}

// groups runs body for max rows at a time while there are as many, then for one
// at a time. row, the index of the first, counts up to end.
func groups(row reg.GPVirtual, end Op, max int, body func(rows int)) {
	XORQ(row, row)
	while(row, end, max, body)
	if max > 1 {
		while(row, end, 1, body)
	}
}

// while runs body as long as so many rows are left.
func while(row reg.GPVirtual, end Op, rows int, body func(rows int)) {
	loop, done := label("rows"), label("done")
	Label(loop)
	unless(row, end, rows, done)
	body(rows)
	ADDQ(U8(rows), row)
	JMP(LabelRef(loop))
	Label(done)
}

// unless jumps if fewer rows are left.
func unless(row reg.GPVirtual, end Op, rows int, to string) {
	next := GP64()
	LEAQ(Mem{Base: row, Disp: rows}, next)
	CMPQ(next, end)
	JG(LabelRef(to))
}

// work is done over the columns of rows, a vector at a time, on elements that the
// pointers are at. t is nil for full vectors.
type work struct {
	do       func(t *tail)
	pointers []reg.Register
	fold     func() // done before the last eight full vectors, the eight before those, …
	end      func() // done in the end
}

// sweep does work side by side for each full vector and then, where columns are
// left, once with the tail. The pointers move past the full vectors. A nil tail
// says that there are no other columns.
func (g gen) sweep(cols reg.Register, t *tail, works ...work) {
	loop, rest, done := label("vectors"), label("rest"), label("done")
	all := func(t *tail) {
		for _, w := range works {
			w.do(t)
		}
	}
	left := copyOf(cols)
	SUBQ(U8(g.lanes()), left)
	JL(LabelRef(rest))
	Label(loop)
	all(nil)
	for _, w := range works {
		for _, p := range w.pointers {
			ADDQ(I32(g.width()), p)
		}
		if w.fold != nil {
			further := label("further")
			TESTQ(U32(7*g.lanes()), left)
			JNZ(LabelRef(further))
			CMPQ(left, U8(g.lanes()))
			JL(LabelRef(further))
			w.fold()
			Label(further)
		}
	}
	SUBQ(U8(g.lanes()), left)
	JGE(LabelRef(loop))
	Label(rest)
	if t != nil {
		ADDQ(U8(g.lanes()), left)
		JZ(LabelRef(done))
		all(t)
		Label(done)
	}
}

// nextRow completes a sweep: it left pointers where the full vectors end.
func (g gen) nextRow(cols reg.Register, pointers ...reg.Register) {
	rest := copyOf(cols)
	ANDQ(U32(g.lanes()-1), rest)
	g.bytes(rest)
	for _, p := range pointers {
		ADDQ(rest, p)
	}
}

// folded is the work of sums that are moved to others after every few vectors, and
// to which those are added in the end. A sum of many equal terms is rounded the same
// way each time; this way there are few of them.
func (g gen) folded(w work, sums [][]reg.VecVirtual) work {
	var all []reg.VecVirtual
	for _, s := range sums {
		all = append(all, s...)
	}
	totals := g.zeros(len(all))
	w.fold = func() {
		for i, s := range all {
			g.add(s, totals[i], totals[i])
			g.clear(s)
		}
	}
	w.end = func() {
		for i, s := range all {
			g.add(totals[i], s, s)
		}
	}
	return w
}

// from is a row's elements as an operand: memory itself, or a tail's lanes in a
// register.
func (g gen) from(m Mem, t *tail) Op {
	if t == nil {
		return m
	}
	return g.load(m, t)
}

// put writes through the caches or past them, which is for full vectors.
func (g gen) put(v Op, m Mem, t *tail, stream bool) {
	if stream && t == nil {
		g.stream(v, m)
	} else {
		g.store(v, m, t)
	}
}

// eitherWay writes code for the two values of the parameter stream. Streamed
// rows are whole vectors, and nobody sees what follows before them.
func eitherWay(streamed, plain func()) {
	otherwise, done := label("plain"), label("done")
	CMPB(address(Param("stream")), U8(0))
	JE(LabelRef(otherwise))
	streamed()
	SFENCE()
	JMP(LabelRef(done))
	Label(otherwise)
	plain()
	Label(done)
}

// copyOf is a pointer of its own at the same place.
func copyOf(p reg.Register) reg.GPVirtual {
	c := GP64()
	MOVQ(p, c)
	return c
}

// half and quarter are v's upper half and the second sixteen bytes of it.
func (g gen) half(v reg.VecVirtual) reg.VecVirtual {
	h := YMM()
	VEXTRACTF64X4(U8(1), v, h)
	return h
}

func (g gen) quarter(v reg.VecVirtual) reg.VecVirtual {
	q := XMM()
	if g.wide {
		VEXTRACTF64X2(U8(1), v.AsY(), q)
	} else {
		VEXTRACTF128(U8(1), v.AsY(), q)
	}
	return q
}

// sums adds each vector's lanes up and sets the sums side by side, as float64:
// four in a YMM register, of which the first are repeated where there are fewer
// vectors. The vectors are changed.
func (g gen) sums(v []reg.VecVirtual) reg.VecVirtual {
	var x [4]reg.VecVirtual
	for i := range v {
		if g.wide {
			g.add(g.half(v[i]), v[i].AsY(), v[i].AsY())
		}
		g.add(g.quarter(v[i]), v[i].AsX(), v[i].AsX())
		x[i] = v[i].AsX().(reg.VecVirtual)
	}
	for i := len(v); i < len(x); i++ {
		x[i] = x[len(v)-1]
	}
	if g.double {
		low := g.pairs(x[0], x[1])
		high := low
		if len(v) > 2 {
			high = g.pairs(x[2], x[3])
		}
		if g.wide {
			VINSERTF64X2(U8(1), high.AsX(), low, low)
		} else {
			VINSERTF128(U8(1), high.AsX(), low, low)
		}
		return low
	}
	low, s := fours(x[0], x[1]), YMM()
	high := low
	if len(v) > 2 {
		high = fours(x[2], x[3])
	}
	VCVTPS2PD(g.pairs(low, high).AsX(), s)
	return s
}

// fours adds four lanes of a and b down to two of each: a0+a2, b0+b2, a1+a3, b1+b3.
func fours(a, b reg.VecVirtual) reg.VecVirtual {
	low, high := XMM(), XMM()
	VUNPCKLPS(b, a, low)
	VUNPCKHPS(b, a, high)
	VADDPS(high, low, low)
	return low
}

// pairs adds the halves of a and of b.
func (g gen) pairs(a, b reg.VecVirtual) reg.VecVirtual {
	low, high := blank(), XMM()
	VUNPCKLPD(b, a, low.AsX())
	VUNPCKHPD(b, a, high)
	g.add(high, low.AsX(), low.AsX())
	return low
}

// blank is a YMM register of zero. (To avo, what is written to the lower half of
// a register says nothing of the upper one, which would be kept for ever.)
func blank() reg.VecVirtual { return gen{}.zero() }
