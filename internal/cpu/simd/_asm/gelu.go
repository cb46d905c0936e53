package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

// geluScale and geluCubic give 2u = geluScale·(x + geluCubic·x³), with 1 + tanh u = 2·sigmoid(2u).
var geluScale = 2 * math.Sqrt(2/math.Pi)

const geluCubic = 0.044715

func (g gen) gelu() {
	g.kernel("GELU", "func(y, h, x []T)", func() {
		y, h, x, n := ptr("y"), ptr("h"), ptr("x"), length("y")
		exp := g.exponential()
		one, sign := g.number(1), g.number(math.Copysign(0, -1))
		a, b := g.number(geluScale), g.number(geluScale*geluCubic)
		g.over(n, g.tailOf(n), func(i reg.Register, t *tail) {
			v := g.load(g.at(x, i), t)
			z, w, minus := g.reg(), g.reg(), g.reg()
			g.mul(v, v, z)
			g.move(a, w)
			g.fma(b, z, w)
			g.pick(VORPS, VORPD, sign, v, minus)
			g.mul(w, minus, z)
			e := exp.of(z, func(k reg.VecVirtual) reg.VecVirtual {
				whole := g.reg()
				g.mul(exp.ln2, k, whole)
				g.fms(minus, whole, w)
				return w
			})
			d := g.reg()
			g.add(one, e, d)
			g.div(e, d, e)
			g.store(e, g.at(h, i), t)
			g.max(g.zero(), v, d)
			size := g.reg()
			g.pick(VANDNPS, VANDNPD, v, g.held(sign), size)
			g.fnma(size, e, d)
			g.store(d, g.at(y, i), t)
		})
	})

	g.kernel("GELUBackward", "func(dx, x, h, dy []T)", func() {
		dx, x, h, dy, n := ptr("dx"), ptr("x"), ptr("h"), ptr("dy"), length("dx")
		// If x² is larger, h is zero.
		largest, sign := g.constant(1e4), g.constant(math.Copysign(0, -1))
		one, half, a, b := g.constant(1), g.constant(0.5), g.constant(geluScale), g.constant(3*geluScale*geluCubic)
		g.over(n, g.tailOf(n), func(i reg.Register, t *tail) {
			v, e := g.load(g.at(x, i), t), g.load(g.at(h, i), t)
			q, slope, s := g.reg(), g.reg(), g.reg()
			g.mul(v, v, q)
			g.min(largest, q, q)
			g.move(a, slope)
			g.fma(b, q, slope)
			g.sub(one, e, q)
			g.mul(q, e, q)
			g.mul(q, v, q)
			g.sub(half, e, s) // s − 1/2 has x's sign
			g.pick(VANDPS, VANDPD, sign, v, v)
			g.pick(VORPS, VORPD, v, s, s)
			g.add(half, s, s)
			g.fma(q, slope, s)
			g.mul(g.load(g.at(dy, i), t), s, s)
			g.store(s, g.at(dx, i), t)
		})
	})
}
