package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// sum adds the lanes of v in a fixed order. The sum is in the first lane of v.
func (g gen) sum(v reg.VecVirtual) reg.VecVirtual { return g.reduce(v, g.add) }

// reduce combines the lanes of v by a commutative op, the two halves first, down to the
// first lane of v.
func (g gen) reduce(v reg.VecVirtual, op func(a, b, d Op)) reg.VecVirtual {
	y := v.AsY()
	if g.wide {
		upper := YMM()
		VEXTRACTF64X4(U8(1), v, upper)
		op(upper, y, y)
	}
	x, upper := v.AsX(), XMM()
	if g.wide { // the other instruction reaches only 16 registers
		VEXTRACTF32X4(U8(1), y, upper)
	} else {
		VEXTRACTF128(U8(1), y, upper)
	}
	op(upper, x, x)
	VPERMILPD(U8(1), x, upper)
	op(upper, x, x)
	if !g.double {
		VMOVSHDUP(x, upper)
		op(upper, x, x)
	}
	return v
}

// doubles returns the float32 vector v as two vectors of float64.
func (g gen) doubles(v reg.VecVirtual) (low, high reg.VecVirtual) {
	low, high = g.reg(), g.reg()
	if g.wide {
		upper := YMM()
		VEXTRACTF64X4(U8(1), v, upper)
		VCVTPS2PD(v.AsY(), low)
		VCVTPS2PD(upper, high)
	} else {
		upper := XMM()
		VEXTRACTF128(U8(1), v, upper)
		VCVTPS2PD(v.AsX(), low)
		VCVTPS2PD(upper, high)
	}
	return low, high
}
