package main

import (
	"math"

	"github.com/mmcloughlin/avo/reg"
)

// 2u = geluScale·(x + geluCubic·x³), where 1 + tanh u = 2·sigmoid 2u.
var geluScale = 2 * math.Sqrt(2/math.Pi)

const geluCubic = 0.044715

func (g gen) gelu() {
	g.kernel("GELU", "func(y, s, x []T)", func() {
		y, s, x, n := ptr("y"), ptr("s"), ptr("x"), length("y")
		exp := g.exponential()
		one, a, b := g.number(1), g.number(-geluScale), g.number(-geluScale*geluCubic)
		g.over(n, g.tailOf(n), func(i reg.Register, t *tail) {
			v := g.load(g.at(x, i), t)
			z, w := g.reg(), g.reg()
			g.mul(v, v, z)
			g.move(a, w)
			g.fma(b, z, w)
			g.mul(w, v, z)
			e := exp.of(z)
			g.add(one, e, e)
			g.div(g.held(one), e, e)
			g.store(e, g.at(s, i), t)
			g.mul(e, v, v)
			g.store(v, g.at(y, i), t)
		})
	})

	g.kernel("GELUBackward", "func(dx, x, s, dy []T)", func() {
		dx, x, s, dy, n := ptr("dx"), ptr("x"), ptr("s"), ptr("dy"), length("dx")
		// Where x² is larger, s·(1 − s) is zero.
		largest := g.constant(1e4)
		one, a, b := g.constant(1), g.constant(geluScale), g.constant(3*geluScale*geluCubic)
		g.over(n, g.tailOf(n), func(i reg.Register, t *tail) {
			v, e := g.load(g.at(x, i), t), g.load(g.at(s, i), t)
			q, slope := g.reg(), g.reg()
			g.mul(v, v, q)
			g.min(largest, q, q)
			g.move(a, slope)
			g.fma(b, q, slope)
			g.mul(e, v, v)
			g.sub(one, e, q)
			g.mul(q, v, v)
			g.fma(v, slope, e)
			g.mul(g.load(g.at(dy, i), t), e, e)
			g.store(e, g.at(dx, i), t)
		})
	})
}
