package main

import (
	"math"
	"slices"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// exponential holds the constants of exp on vectors of numbers x ≤ 0.
//
// With k = round(x/ln 2) and r = x − k·ln 2, |r| ≤ ln 2/2, exp(x) is 2^k·exp(r).
// Adding magic to x/ln 2 rounds it to an integer in the last bits of the sum, which
// hold k plus the exponent of 2^0. Subtracting magic yields k as a number.
// ln 2 is subtracted in two parts (Cody & Waite 1980); the product of k and the
// first part is exact.
type exponential struct {
	gen
	low          Op // the smallest x whose exp has all its digits
	log2e, magic Op
	ln2, ln2Rest Op
	poly         []Op // of exp(r), highest power first
}

// expPolynomials holds the coefficients from r² on of the polynomials 1 + r + … that
// minimize the largest relative error of exp(r) on |r| ≤ ln 2/2, by whether the type is
// float64. The errors are 3.1e-9 for float32 and 3.6e-18 for float64, a twentieth of half
// a unit in the last place.
var expPolynomials = map[bool][]float64{
	false: {
		0.499999934475602459, 0.166665206294392321, 0.0416683880926853278,
		0.00836871709085584034, 0.00138145963830074488,
	},
	true: {
		0.500000000000001063, 0.166666666666664125, 0.041666666666530167,
		0.00833333333349451495, 0.00138888889436281472, 0.000198412695064143825,
		0.0000248014931008608975, 2.75575865508037973e-6, 2.76302476864147154e-7,
		2.49999989027098043e-8,
	},
}

// expNumbers are the numbers that exp computes with, in float64. The kernels in Go have the same ones.
type expNumbers struct {
	low, log2e, magic, ln2, ln2Rest float64
	poly                            []float64
}

func (g gen) expNumbers() expNumbers {
	mantissa, bias, ln2, ln2Rest := 23, 127.0, 45426.0/(1<<16), 1.4286068203094172321e-6
	if g.double {
		mantissa, bias, ln2, ln2Rest = 52, 1023.0, 762123384786.0/(1<<40), -1.7239444525614834773e-13
	}
	n := expNumbers{
		low: (1 - bias) * math.Ln2, log2e: math.Log2E, magic: math.Ldexp(1.5, mantissa) + bias, ln2: ln2, ln2Rest: ln2Rest,
		poly: append([]float64{1, 1}, expPolynomials[g.double]...),
	}
	slices.Reverse(n.poly)
	return n
}

// exponential loads the constants, outside the loop that uses them.
func (g gen) exponential() exponential {
	e, n := exponential{gen: g}, g.expNumbers()
	e.low, e.log2e, e.magic = g.number(n.low), g.number(n.log2e), g.number(n.magic)
	e.ln2, e.ln2Rest = g.number(n.ln2), g.number(n.ln2Rest)
	for _, c := range n.poly {
		e.poly = append(e.poly, g.number(c))
	}
	return e
}

// of returns exp of each lane: NaN for NaN, and zero for results below 2^-126
// (float64: 2^-1022). reduce returns x − k·e.ln2. A relative error of x becomes a relative
// error of exp(x) that is x times as large. Therefore, if x is the rounded result of a sum
// or product, reduce subtracts from the operands of x rather than from x.
func (e exponential) of(x reg.VecVirtual, reduce func(k reg.VecVirtual) (r reg.VecVirtual)) reg.VecVirtual {
	kept := e.atLeast(x, e.low)
	t, k, r := e.reduced(x, reduce)
	p := e.horner(e.poly, r)
	e.scale(p, k, t, kept)
	return p
}

// parts returns exp(x) as s + s·p, with s = 2^k and p = exp(r) − 1 to all its digits.
// s − 1 + s·p is then exp(x) − 1 to all its digits, however small x is. No lane of x may be
// below e.low. x is changed.
func (e exponential) parts(x reg.VecVirtual) (s, p reg.VecVirtual) {
	s, _, r := e.reduced(x, e.plain(x))
	p = e.horner(e.poly[:len(e.poly)-2], r)
	e.mul(r, p, p)
	e.fam(r, r, p)
	e.power(s)
	return s, p
}

// plain returns the reduce for an x whose rounding error does not matter. It changes x.
func (e exponential) plain(x reg.VecVirtual) func(k reg.VecVirtual) reg.VecVirtual {
	return func(k reg.VecVirtual) reg.VecVirtual {
		e.fnma(e.ln2, k, x)
		return x
	}
}

// reduced returns k in the last bits of t and as a number, and r.
func (e exponential) reduced(
	x reg.VecVirtual, reduce func(k reg.VecVirtual) (r reg.VecVirtual),
) (t, k, r reg.VecVirtual) {
	t, k = e.reg(), e.reg()
	e.move(e.magic, t)
	e.fma(e.log2e, x, t)
	e.sub(t, e.magic, k)
	r = reduce(k)
	e.fnma(e.ln2Rest, k, r)
	return t, k, r
}

// horner returns a polynomial of x with coefficients c, the highest power first.
func (g gen) horner(c []Op, x reg.VecVirtual) reg.VecVirtual {
	p := g.reg()
	g.move(c[0], p)
	for _, c := range c[1:] {
		g.fam(x, c, p)
	}
	return p
}

// scale sets p to p·2^k in the kept lanes and to 0 in the others. k is a number, and is in the last bits of t.
func (e exponential) scale(p, k, t reg.VecVirtual, kept *tail) {
	switch {
	case e.wide && e.double:
		VSCALEFPD_Z(k, p, kept.mask, p)
		return
	case e.wide:
		VSCALEFPS_Z(k, p, kept.mask, p)
		return
	}
	e.power(t)
	e.mul(t, p, p)
	e.keep(p, kept)
}

// power turns t, with k in its last bits, into the number 2^k.
func (e exponential) power(t reg.VecVirtual) {
	if e.double {
		VPSLLQ(U8(52), t, t)
	} else {
		VPSLLD(U8(23), t, t)
	}
}
