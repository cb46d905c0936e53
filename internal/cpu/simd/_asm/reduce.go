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

// exactSum is a sum of products in float64: of float64, or of float32, whose products it takes
// exactly.
type exactSum struct {
	gen
	doubles gen
	sums    []reg.VecVirtual // with AVX2, two for each vector of float64 with AVX-512
}

func (g gen) newExactSum() exactSum {
	d := gen{double: true, wide: g.wide}
	n := 2 // for the two halves of a vector of float32
	if g.double {
		n = 1
	}
	return exactSum{g, d, d.zeros(n * g.halves())}
}

// add adds the products of the lanes of v and w.
func (s exactSum) add(v, w reg.VecVirtual) {
	if s.double {
		s.fma(v, w, s.sums[half])
		return
	}
	v0, v1 := s.gen.doubles(v)
	w0, w1 := v0, v1
	if w != v {
		w0, w1 = s.gen.doubles(w)
	}
	s.doubles.fma(v0, w0, s.sums[2*half])
	s.doubles.fma(v1, w1, s.sums[2*half+1])
}

// sum returns the sum in the first lane.
func (s exactSum) sum() reg.VecVirtual {
	d, v := s.doubles, s.sums
	for n := len(v); n > 1; n /= 2 { // the second half of the lanes to the first
		for i := range n / 2 {
			d.add(v[n/2+i], v[i], v[i])
		}
	}
	return d.sum(v[0])
}
