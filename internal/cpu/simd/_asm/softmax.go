package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

func (g gen) softmax() {
	g.kernel("Max", "func(x []T) T", func() {
		x, n := ptr("x"), length("x")
		g.result(g.maximum(x, n, g.tailOf(n)), 0)
	})

	g.kernel("ExpSum", "func(p, x []T, top T) T", func() {
		p, x, n := ptr("p"), ptr("x"), length("x")
		g.result(g.expSum(p, x, n, g.tailOf(n), g.scalar("top")), 0)
	})

	g.kernel("Softmax", "func(p, x []T) (top, sum T)", func() {
		p, x, n := ptr("p"), ptr("x"), length("x")
		t := g.tailOf(n)
		top := g.maximum(x, n, t)
		g.result(top, 0)
		top = g.broadcast(top.AsX())
		sum := g.expSum(p, x, n, t, top)
		g.result(sum, 1)
		inverse := g.constant(1)
		g.div(inverse, g.broadcast(sum.AsX()), inverse)
		g.over(n, t, func(i reg.Register, t *tail) {
			v := g.load(g.at(p, i), t)
			g.mul(inverse, v, v)
			g.store(v, g.at(p, i), t)
		})
	})

	g.kernel("SoftmaxBackward", "func(dp, p []T)", func() {
		dp, p, n := ptr("dp"), ptr("p"), length("dp")
		t := g.tailOf(n)
		dot := g.broadcast(g.dot(dp, p, n, t).AsX())
		g.over(n, t, func(i reg.Register, t *tail) {
			v := g.load(g.at(dp, i), t)
			g.sub(v, dot, v)
			g.mul(g.load(g.at(p, i), t), v, v)
			g.store(v, g.at(dp, i), t)
		})
	})
}

// dot returns Σx·y in the first lane, summed in float64.
func (g gen) dot(x, y, n reg.Register, t *tail) reg.VecVirtual {
	acc := g.newExactSum()
	g.overSums(n, t, func(i reg.Register, t *tail) {
		acc.add(g.load(g.at(x, i), t), g.load(g.at(y, i), t))
	})
	sum := acc.sum()
	if !g.double {
		VCVTSD2SS(sum.AsX(), sum.AsX(), sum.AsX())
	}
	return sum
}

// maximum returns the maximum of x in the first lane.
func (g gen) maximum(x, n reg.Register, t *tail) reg.VecVirtual {
	top := g.constant(math.Inf(-1))
	g.over(n, t, func(i reg.Register, t *tail) {
		g.max(g.loadOr(g.at(x, i), t, top), top, top)
	})
	return g.reduce(top, g.max)
}

// expSum writes exp(x − top) to p and returns the sum in the first lane.
func (g gen) expSum(p, x, n reg.Register, t *tail, top reg.VecVirtual) reg.VecVirtual {
	exp, sums := g.exponential(), g.zeros(g.halves())
	g.overSums(n, t, func(i reg.Register, t *tail) {
		v, shifted, lost := g.load(g.at(x, i), t), g.reg(), g.reg()
		g.sub(v, top, shifted)
		// The rounding error of the difference, exact if |x| ≤ |top| (Dekker 1971).
		g.add(shifted, top, lost)
		g.sub(v, lost, lost)
		v = exp.of(shifted, func(k reg.VecVirtual) reg.VecVirtual {
			g.fnma(exp.ln2, k, shifted)
			g.add(lost, shifted, shifted)
			return shifted
		})
		g.store(v, g.at(p, i), t)
		g.keep(v, t)
		g.add(v, g.in(sums, 0), g.in(sums, 0))
	})
	return g.sum(g.joined(sums)[0])
}
