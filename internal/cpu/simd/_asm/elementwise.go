package main

import (
	"github.com/mmcloughlin/avo/reg"
)

func (g gen) elementwise() {
	g.kernel("Add", "func(z, x, y []T)", func() {
		z, x, y, n := ptr("z"), ptr("x"), ptr("y"), length("z")
		g.over(n, g.tailOf(n), func(i reg.Register, t *tail) {
			v := g.load(g.at(x, i), t)
			g.add(g.load(g.at(y, i), t), v, v)
			g.store(v, g.at(z, i), t)
		})
	})

	g.kernel("Scale", "func(z, x []T, s T)", func() {
		z, x, n, s := ptr("z"), ptr("x"), length("z"), g.scalar("s")
		g.over(n, g.tailOf(n), func(i reg.Register, t *tail) {
			v := g.load(g.at(x, i), t)
			g.mul(s, v, v)
			g.store(v, g.at(z, i), t)
		})
	})

	g.kernel("AdamW", "func(w, m, v, g []T, beta1, rest1, beta2, rest2, keep, lr, bias2, eps T)", func() {
		w, m, v, grad, n := ptr("w"), ptr("m"), ptr("v"), ptr("g"), length("w")
		beta1, rest1, beta2, rest2 := g.scalar("beta1"), g.scalar("rest1"), g.scalar("beta2"), g.scalar("rest2")
		keep, lr, bias2, eps := g.scalar("keep"), g.scalar("lr"), g.scalar("bias2"), g.scalar("eps")
		g.over(n, g.tailOf(n), func(i reg.Register, t *tail) {
			d, s := g.load(g.at(grad, i), t), g.reg()
			g.mul(rest2, d, s)
			g.mul(d, s, s)
			g.mul(rest1, d, d)
			g.fma(g.load(g.at(m, i), t), beta1, d)
			g.store(d, g.at(m, i), t)
			g.fma(g.load(g.at(v, i), t), beta2, s)
			g.store(s, g.at(v, i), t)
			g.sqrt(s, s)
			g.div(s, bias2, s)
			g.add(eps, s, s)
			g.mul(lr, d, d)
			g.div(d, s, d)
			old := g.load(g.at(w, i), t)
			g.mul(keep, old, old)
			g.sub(old, d, old)
			g.store(old, g.at(w, i), t)
		})
	})

	g.kernel("SumSquares", "func(x []T) float64", func() {
		x, n := ptr("x"), length("x")
		acc := g.newExactSum()
		g.overSums(n, g.tailOf(n), func(i reg.Register, t *tail) {
			v := g.load(g.at(x, i), t)
			acc.add(v, v)
		})
		acc.doubles.result(acc.sum(), 0)
	})
}
