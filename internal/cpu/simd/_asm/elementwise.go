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

	g.kernel("Scale", "func(x []T, s T)", func() {
		x, n, s := ptr("x"), length("x"), g.scalar("s")
		g.over(n, g.tailOf(n), func(i reg.Register, t *tail) {
			v := g.load(g.at(x, i), t)
			g.mul(s, v, v)
			g.store(v, g.at(x, i), t)
		})
	})

	g.kernel("SumSquares", "func(x []T) float64", func() {
		x, n := ptr("x"), length("x")
		d := gen{double: true, wide: g.wide}
		acc := d.zeros(2)
		g.over(n, g.tailOf(n), func(i reg.Register, t *tail) {
			v := g.load(g.at(x, i), t)
			if g.double {
				g.fma(v, v, acc[0])
				return
			}
			low, high := g.doubles(v)
			d.fma(low, low, acc[0])
			d.fma(high, high, acc[1])
		})
		d.add(acc[1], acc[0], acc[0])
		d.result(d.sum(acc[0]), 0)
	})
}
