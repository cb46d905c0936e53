package main

import (
	"math"
	"slices"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// exponential holds the constants of exp on vectors of numbers up to 0.
//
// With k = round(x/ln 2) and r = x − k·ln 2, |r| ≤ ln 2/2, exp(x) is 2^k·exp(r).
// Adding magic to x/ln 2 rounds it to an integer in the sum's last bits, where
// magic has put the exponent of 2^0, and subtracting magic gives k as a number.
// ln 2 is taken away in two parts (Cody & Waite 1980), the first so short that k
// times it is exact.
type exponential struct {
	gen
	low          Op // below this, results would not have all their digits
	log2e, magic Op
	ln2, ln2Rest Op
	poly         []Op // of exp(r), highest power first
}

// expPolynomials are minimax in the relative error on |r| ≤ ln 2/2 among those
// that start with 1 + r, from r² on: 3.1e-9 for float32 and 3.6e-18 for float64,
// a twentieth of half a unit in the last place.
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

// exponential loads the constants, outside of the loop that uses them.
func (g gen) exponential() exponential {
	mantissa, bias, ln2, ln2Rest := 23, 127.0, 45426.0/(1<<16), 1.4286068203094172321e-6
	if g.double {
		mantissa, bias, ln2, ln2Rest = 52, 1023.0, 762123384786.0/(1<<40), -1.7239444525614834773e-13
	}
	e := exponential{gen: g}
	e.low = g.number((1 - bias) * math.Ln2)
	e.log2e, e.magic = g.number(math.Log2E), g.number(math.Ldexp(1.5, mantissa)+bias)
	e.ln2, e.ln2Rest = g.number(ln2), g.number(ln2Rest)
	for _, c := range slices.Backward(append([]float64{1, 1}, expPolynomials[g.double]...)) {
		e.poly = append(e.poly, g.number(c))
	}
	return e
}

// of gives exp of each lane: NaN of NaN, and zero where it is less than 2^-126
// (float64: 2^-1022). An error of x is one of exp(x) times x, so where x is itself
// the result of a sum or product, reduce takes k·e.ln2 away from what it is the
// result of, before it is rounded.
func (e exponential) of(x reg.VecVirtual, reduce func(k reg.VecVirtual) (r reg.VecVirtual)) reg.VecVirtual {
	kept := e.atLeast(x, e.low)
	t, k, r := e.reduced(x, reduce)
	p := e.horner(e.poly, r)
	e.scale(p, k, t, kept)
	return p
}

// parts gives exp(x) as s + s·p, with s = 2^k and p = exp(r) − 1 to all its digits,
// so that s − 1 + s·p is exp(x) − 1 to all of its own however small x is. No lane of
// x may be below e.low. x is changed.
func (e exponential) parts(x reg.VecVirtual) (s, p reg.VecVirtual) {
	s, _, r := e.reduced(x, e.plain(x))
	p = e.horner(e.poly[:len(e.poly)-2], r)
	e.mul(r, p, p)
	e.fam(r, r, p)
	e.power(s)
	return s, p
}

// plain is the reduce of an x that is as good as exact.
func (e exponential) plain(x reg.VecVirtual) func(k reg.VecVirtual) reg.VecVirtual {
	return func(k reg.VecVirtual) reg.VecVirtual {
		e.fnma(e.ln2, k, x)
		return x
	}
}

// reduced gives k, as a number and in the last bits of t, and r.
func (e exponential) reduced(x reg.VecVirtual, reduce func(k reg.VecVirtual) (r reg.VecVirtual)) (t, k, r reg.VecVirtual) {
	t, k = e.reg(), e.reg()
	e.move(e.magic, t)
	e.fma(e.log2e, x, t)
	e.sub(t, e.magic, k)
	r = reduce(k)
	e.fnma(e.ln2Rest, k, r)
	return t, k, r
}

// horner is a polynomial of x, its coefficients given from the highest power on.
func (g gen) horner(c []Op, x reg.VecVirtual) reg.VecVirtual {
	p := g.reg()
	g.move(c[0], p)
	for _, c := range c[1:] {
		g.fam(x, c, p)
	}
	return p
}

// scale makes p p·2^k in the kept lanes, with 2^k as the last bits of t have it.
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

// power turns k in the last bits of t into the number 2^k.
func (e exponential) power(t reg.VecVirtual) {
	if e.double {
		VPSLLQ(U8(52), t, t)
	} else {
		VPSLLD(U8(23), t, t)
	}
}
