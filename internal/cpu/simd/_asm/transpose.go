package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// transpose writes the kernel that transposes blocks of lanes × lanes elements in registers:
// first within the 128-bit quarters of 4 rows (float64: 2), by interleaving, then whole
// quarters.
func (g gen) transpose() {
	g.kernel("Transpose", "func(dst []T, ldd int, src []T, lds int, n int)", func() {
		dst, src := ptr("dst"), ptr("src")
		ldd, lds := g.stride("ldd"), g.stride("lds")
		n := Load(Param("n"), GP64())
		loop, done := label("blocks"), label("done")
		Label(loop)
		SUBQ(U32(g.lanes()), n)
		JL(LabelRef(done))
		rows := make([]reg.VecVirtual, g.lanes())
		g.eachRow(src, lds, func(r int, m Mem) { rows[r] = g.load(m, nil) })
		rows = g.quarters(g.interleave(rows))
		g.eachRow(dst, ldd, func(r int, m Mem) { g.store(rows[r], m, nil) })
		ADDQ(U32(g.width()), src)
		rise := GP64()
		MOVQ(ldd, rise)
		IMUL3Q(U32(g.lanes()), rise, rise)
		ADDQ(rise, dst)
		JMP(LabelRef(loop))
		Label(done)
	})
}

// eachRow calls f with the addresses of lanes rows, stride bytes apart.
func (g gen) eachRow(p, stride reg.Register, f func(r int, m Mem)) {
	at := GP64()
	MOVQ(p, at)
	for r := range g.lanes() {
		f(r, Mem{Base: at})
		ADDQ(stride, at)
	}
}

// interleave transposes blocks of s×s elements, s = 4 (float64: 2), in each quarter of s
// rows. Quarter q of row s·i + c of the result holds column c of quarter q of the rows from
// s·i to s·i + s−1.
func (g gen) interleave(rows []reg.VecVirtual) []reg.VecVirtual {
	out := make([]reg.VecVirtual, 0, len(rows))
	both := func(low, high func(...Op), a, b reg.VecVirtual) (l, h reg.VecVirtual) {
		l, h = g.reg(), g.reg()
		low(b, a, l)
		high(b, a, h)
		return l, h
	}
	if g.double {
		for i := 0; i < len(rows); i += 2 {
			l, h := both(VUNPCKLPD, VUNPCKHPD, rows[i], rows[i+1])
			out = append(out, l, h)
		}
		return out
	}
	for i := 0; i < len(rows); i += 4 {
		a0, a1 := both(VUNPCKLPS, VUNPCKHPS, rows[i], rows[i+1])
		b0, b1 := both(VUNPCKLPS, VUNPCKHPS, rows[i+2], rows[i+3])
		c0, c1 := both(VUNPCKLPD, VUNPCKHPD, a0, b0)
		c2, c3 := both(VUNPCKLPD, VUNPCKHPD, a1, b1)
		out = append(out, c0, c1, c2, c3)
	}
	return out
}

// quarters transposes whole quarters (halves with AVX2): quarter q of row s·i + c becomes
// quarter i of row s·q + c.
func (g gen) quarters(rows []reg.VecVirtual) []reg.VecVirtual {
	s := 16 / g.size()
	out := make([]reg.VecVirtual, len(rows))
	for c := range s {
		if !g.wide {
			out[c], out[s+c] = g.reg(), g.reg()
			VPERM2F128(U8(0x20), rows[s+c], rows[c], out[c])
			VPERM2F128(U8(0x31), rows[s+c], rows[c], out[s+c])
			continue
		}
		shuffle := func(which uint8, a, b reg.VecVirtual) reg.VecVirtual {
			v := g.reg()
			VSHUFF64X2(U8(which), b, a, v)
			return v
		}
		const even, odd = 0x88, 0xdd // quarters 0 and 2, or 1 and 3, of a and then of b
		e0, o0 := shuffle(even, rows[c], rows[s+c]), shuffle(odd, rows[c], rows[s+c])
		e1, o1 := shuffle(even, rows[2*s+c], rows[3*s+c]), shuffle(odd, rows[2*s+c], rows[3*s+c])
		out[c], out[2*s+c] = shuffle(even, e0, e1), shuffle(odd, e0, e1)
		out[s+c], out[3*s+c] = shuffle(even, o0, o1), shuffle(odd, o0, o1)
	}
	return out
}
