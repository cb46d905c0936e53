package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// pitch is the distance between the rows of a matrix in bytes, and three times that, which
// makes four rows addressable from one pointer.
type pitch struct{ one, three reg.GPVirtual }

func newPitch(bytes reg.GPVirtual) pitch {
	three := GP64()
	LEAQ(Mem{Base: bytes, Index: bytes, Scale: 2}, three)
	return pitch{bytes, three}
}

// pitchOf returns the pitch of rows without gaps.
func (g gen) pitchOf(cols reg.Register) pitch {
	bytes := copyOf(cols)
	g.bytes(bytes)
	return newPitch(bytes)
}

// row returns the address r rows after p.
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

// groups writes loops over rows: body for max rows at a time while as many are left, then for
// one at a time. row is the index of the first row of a group and counts up to end.
func groups(row reg.GPVirtual, end Op, max int, body func(rows int)) {
	XORQ(row, row)
	while(row, end, max, body)
	if max > 1 {
		while(row, end, 1, body)
	}
}

// while writes a loop over body that runs while the given number of rows is left.
func while(row reg.GPVirtual, end Op, rows int, body func(rows int)) {
	loop, done := label("rows"), label("done")
	Label(loop)
	unless(row, end, rows, done)
	body(rows)
	ADDQ(U8(rows), row)
	JMP(LabelRef(loop))
	Label(done)
}

// unless jumps to a label if fewer rows are left.
func unless(row reg.GPVirtual, end Op, rows int, to string) {
	next := GP64()
	LEAQ(Mem{Base: row, Disp: rows}, next)
	CMPQ(next, end)
	JG(LabelRef(to))
}

// work is the body of a loop over the columns of rows, a vector at a time.
type work struct {
	do       func(t *tail)  // works on a vector at the pointers; t is nil if it is full
	pointers []reg.Register // moved by the loop
	fold     func()         // runs before the last eight full vectors, the eight before those, …
	end      func()         // runs after the loop
}

// sweep writes one loop that does all works for each full vector and then, if columns are
// left, with the tail. The pointers move past the full vectors. With a nil tail there must
// be no columns left.
func (g gen) sweep(cols reg.Register, t *tail, works ...work) { g.sweepBy(1, cols, t, works...) }

// sweepSums is sweep for works that add to sums.
func (g gen) sweepSums(cols reg.Register, t *tail, works ...work) {
	g.sweepBy(g.halves(), cols, t, works...)
}

// sweepBy is sweep with one or two vectors in the loop, which count as one for fold.
func (g gen) sweepBy(vectors int, cols reg.Register, t *tail, works ...work) {
	loop, rest, done := label("vectors"), label("rest"), label("done")
	step := vectors * g.lanes()
	all := func(t *tail) {
		for _, w := range works {
			w.do(t)
		}
	}
	move := func() {
		for _, w := range works {
			for _, p := range w.pointers {
				ADDQ(I32(g.width()), p)
			}
		}
	}
	left := copyOf(cols)
	SUBQ(U8(step), left)
	JL(LabelRef(rest))
	Label(loop)
	for half = range vectors {
		all(nil)
		move()
	}
	half = 0
	for _, w := range works {
		if w.fold != nil {
			further := label("further")
			TESTQ(U32(7*step), left)
			JNZ(LabelRef(further))
			CMPQ(left, U8(step))
			JL(LabelRef(further))
			w.fold()
			Label(further)
		}
	}
	SUBQ(U8(step), left)
	JGE(LabelRef(loop))
	Label(rest)
	if t != nil {
		ADDQ(U8(step), left)
		JZ(LabelRef(done))
		if vectors == 2 {
			g.firstHalf(left, t, all, move, done)
		}
		all(t)
		Label(done)
	}
}

// firstHalf does all works for the last full vector, if there is one, and for the tail after it.
func (g gen) firstHalf(left reg.Register, t *tail, all func(*tail), move func(), done string) {
	last := label("last")
	SUBQ(U8(g.lanes()), left)
	JL(LabelRef(last))
	all(nil)
	move()
	TESTQ(left, left)
	JZ(LabelRef(done))
	half = 1
	all(t)
	half = 0
	JMP(LabelRef(done))
	Label(last)
}

// nextRow moves pointers to the next row from the end of the full vectors, where sweep leaves them.
func (g gen) nextRow(cols reg.Register, pointers ...reg.Register) {
	rest := copyOf(cols)
	ANDQ(U32(g.lanes()-1), rest)
	g.bytes(rest)
	for _, p := range pointers {
		ADDQ(rest, p)
	}
}

// from returns elements of a row as an operand: the memory itself, or a tail's lanes in a
// register.
func (g gen) from(m Mem, t *tail) Op {
	if t == nil {
		return m
	}
	return g.load(m, t)
}

// put writes v past the caches if stream is set and v is full, and through them otherwise.
func (g gen) put(v Op, m Mem, t *tail, stream bool) {
	if stream && t == nil {
		g.stream(v, m)
	} else {
		g.store(v, m, t)
	}
}

// eitherWay writes code for the two values of the parameter stream. Streamed rows are whole
// vectors. The fence makes them visible before any later write.
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

// copyOf returns a copy of p in a new register.
func copyOf(p reg.Register) reg.GPVirtual {
	c := GP64()
	MOVQ(p, c)
	return c
}

// half returns the upper half of v.
func (g gen) half(v reg.VecVirtual) reg.VecVirtual {
	h := YMM()
	VEXTRACTF64X4(U8(1), v, h)
	return h
}

// quarter returns the second sixteen bytes of v.
func (g gen) quarter(v reg.VecVirtual) reg.VecVirtual {
	q := XMM()
	if g.wide {
		VEXTRACTF64X2(U8(1), v.AsY(), q)
	} else {
		VEXTRACTF128(U8(1), v.AsY(), q)
	}
	return q
}

// sums adds the lanes of each sum and returns the results as float64 in one YMM register.
// They repeat if there are fewer than four. The vectors are changed.
func (g gen) sums(v []reg.VecVirtual) reg.VecVirtual {
	v = g.joined(v)
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

// fours adds the four lanes of a and of b in pairs and returns a0+a2, b0+b2, a1+a3, b1+b3.
func fours(a, b reg.VecVirtual) reg.VecVirtual {
	low, high := XMM(), XMM()
	VUNPCKLPS(b, a, low)
	VUNPCKHPS(b, a, high)
	VADDPS(high, low, low)
	return low
}

// pairs adds the two halves of a, and of b, and returns the sums in the halves of a register.
func (g gen) pairs(a, b reg.VecVirtual) reg.VecVirtual {
	low, high := blank(), XMM()
	VUNPCKLPD(b, a, low.AsX())
	VUNPCKHPD(b, a, high)
	g.add(high, low.AsX(), low.AsX())
	return low
}

// blank returns a YMM register of zeros. (avo takes a write to the lower half of a register
// for no write to the upper half, whose value it would keep alive for ever.)
func blank() reg.VecVirtual { return gen{}.zero() }
