package main

import (
	"math"
	"slices"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// exponential holds the constants of exp on vectors.
//
// With k = round(x/ln 2) and r = x − k·ln 2, |r| ≤ ln 2/2, exp(x) is 2^k·exp(r).
// Adding magic to x/ln 2 rounds it to an integer in the sum's last bits, and
// subtracting magic gives k as a number. ln 2 is taken away in two parts (Cody &
// Waite 1980): k times the first is exact within an FMA, and so is the
// difference.
type exponential struct {
	gen
	high, low    Op // x is held to this range
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
	mantissa, top, ln2, ln2Rest := 23, 128, float64(float32(math.Ln2)), math.Ln2-float64(float32(math.Ln2))
	if g.double {
		mantissa, top, ln2, ln2Rest = 52, 1024, math.Ln2, 2.3190468138462996e-17
	}
	magic, bottom, c := math.Ldexp(1.5, mantissa), -top-mantissa, append([]float64{1, 1}, expPolynomials[g.double]...)
	if !g.wide {
		// The sum's last bits are the exponent of 2^(k−1), and the polynomial has the
		// other 2, for 2^top is no number but exp(r)·2^top may be one.
		magic, bottom = magic+float64(top-2), 3-top
		for i := range c {
			c[i] *= 2
		}
	}
	e := exponential{gen: g}
	e.high = g.number((float64(top) + 0.4) * math.Ln2) // is Inf, and k still top
	e.low = g.number(float64(bottom) * math.Ln2)
	e.log2e, e.magic = g.number(math.Log2E), g.number(magic)
	e.ln2, e.ln2Rest = g.number(ln2), g.number(ln2Rest)
	for _, c := range slices.Backward(c) {
		e.poly = append(e.poly, g.number(c))
	}
	return e
}

// of gives exp of each lane: NaN of NaN, Inf where the result is too large. With
// AVX2, results below 2^-125 (float64: 2^-1021) are zero.
func (e exponential) of(x reg.VecVirtual) reg.VecVirtual {
	r, t, k, p := e.reg(), e.reg(), e.reg(), e.reg()
	var kept reg.VecVirtual
	e.min(e.held(e.high), x, r)
	if e.wide {
		e.max(e.held(e.low), r, r)
	} else {
		kept = e.atLeast(r, e.low)
	}
	e.move(e.magic, t)
	e.fma(e.log2e, r, t)
	e.sub(t, e.magic, k)
	e.fnma(e.ln2, k, r)
	e.fnma(e.ln2Rest, k, r)
	e.move(e.poly[0], p)
	for _, c := range e.poly[1:] {
		e.fam(r, c, p)
	}
	if e.wide {
		e.pick(VSCALEFPS, VSCALEFPD, k, p, p)
		return p
	}
	if e.double {
		VPSLLQ(U8(52), t, t)
	} else {
		VPSLLD(U8(23), t, t)
	}
	e.mul(t, p, p)
	e.pick(VANDPS, VANDPD, kept, p, p)
	return p
}
