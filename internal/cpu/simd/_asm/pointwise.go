package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// pointwise holds the registers of the kernels of DyT and Derf, which compute y = γ·f(x) + β on rows.
type pointwise struct {
	gen
	exp       exponential
	one, sign reg.VecVirtual
	cols, row reg.GPVirtual
	tail      *tail
}

func (g gen) newPointwise() pointwise {
	cols := length("gamma")
	return pointwise{
		gen:  g,
		exp:  g.exponential(),
		one:  g.constant(1),
		sign: g.constant(math.Copysign(0, -1)),
		cols: cols,
		row:  GP64(),
		tail: g.tailOf(cols),
	}
}

// negative returns −|v|.
func (p pointwise) negative(v reg.VecVirtual) reg.VecVirtual {
	d := p.reg()
	p.pick(VORPS, VORPD, p.sign, v, d)
	return d
}

// size returns |v|.
func (p pointwise) size(v reg.VecVirtual) reg.VecVirtual {
	d := p.reg()
	p.pick(VANDNPS, VANDNPD, v, p.sign, d)
	return d
}

// copySign gives v ≥ 0 the sign of u. u is changed.
func (p pointwise) copySign(u, v reg.VecVirtual) {
	p.pick(VANDPS, VANDPD, p.sign, u, u)
	p.pick(VORPS, VORPD, u, v, v)
}

// lessExp returns 1 − exp(z) to all its digits, for exp(z) = s + s·q.
func (p pointwise) lessExp(s, q reg.VecVirtual) reg.VecVirtual {
	m := p.reg()
	p.sub(p.one, s, m)
	p.fnma(s, q, m)
	return m
}

// eachRow writes a loop over the rows.
func (p pointwise) eachRow(body func()) {
	groups(p.row, address(Param("rows")), 1, func(int) { body() })
}

// forward writes y, and f(x) to the slice kept unless that is "".
func (p pointwise) forward(f func(x reg.VecVirtual) reg.VecVirtual, kept string) {
	moving := []reg.Register{ptr("x"), ptr("y")}
	if kept != "" {
		moving = append(moving, ptr(kept))
	}
	p.eachRow(func() {
		gamma, beta := ptr("gamma"), ptr("beta")
		p.sweep(p.cols, p.tail, work{do: func(t *tail) {
			v := f(p.load(at(moving[0]), t))
			if kept != "" {
				p.store(v, at(moving[2]), t)
			}
			g := p.load(at(gamma), t)
			p.fam(g, p.from(at(beta), t), v)
			p.store(v, at(moving[1]), t)
		}, pointers: append([]reg.Register{gamma, beta}, moving...)})
		p.nextRow(p.cols, moving...)
	})
}

// gradient describes f, a function of u = α·x or α·x + shift, for a backward pass.
type gradient struct {
	of     func(x reg.VecVirtual, t *tail) (value, slope reg.VecVirtual) // f and f'(u)/factor
	factor float64
	moving []reg.Register // pointers other than x that of reads from
	shift  bool           // there is a result dshift besides dalpha
}

// backward writes dx, adds dy·f to dγ and dy to dβ, and returns dα and dshift. With
// h = dy·γ·f'(u):
//
//	dx = h·α    dα = Σh·x    dshift = Σh
//
// dα and dshift are summed in T over at most eight vectors, and then in float64.
func (p pointwise) backward(f gradient) {
	d := gen{double: true, wide: p.wide}
	x, dy, dx := ptr("x"), ptr("dy"), ptr("dx")
	moving := append([]reg.Register{x, dy, dx}, f.moving...)
	scale := p.constant(f.factor)
	p.mul(p.scalar("alpha"), scale, scale)
	n := 1
	if f.shift {
		n = 2
	}
	sums, totals := p.zeros(n), d.zeros(n)
	fold := func() {
		for i, s := range sums {
			if p.double {
				p.add(s, totals[i], totals[i])
			} else {
				low, high := p.doubles(s)
				d.add(low, totals[i], totals[i])
				d.add(high, totals[i], totals[i])
			}
			p.clear(s)
		}
	}
	p.eachRow(func() {
		gamma, dgamma, dbeta := ptr("gamma"), ptr("dgamma"), ptr("dbeta")
		p.sweep(p.cols, p.tail, work{do: func(t *tail) {
			v, g := p.load(at(x), t), p.load(at(dy), t)
			value, slope := f.of(v, t)
			p.fam(g, p.from(at(dgamma), t), value)
			p.store(value, at(dgamma), t)
			db := p.load(at(dbeta), t)
			p.add(g, db, db)
			p.store(db, at(dbeta), t)
			p.mul(p.from(at(gamma), t), g, g)
			p.mul(slope, g, g)
			p.fma(v, g, sums[0])
			if f.shift {
				p.add(g, sums[1], sums[1])
			}
			p.mul(scale, g, g)
			p.store(g, at(dx), t)
		}, pointers: append([]reg.Register{gamma, dgamma, dbeta}, moving...), fold: fold})
		fold()
		p.nextRow(p.cols, moving...)
	})
	for i, t := range totals {
		sum := d.sum(t)
		d.mul(d.constant(f.factor), sum, sum)
		d.result(sum, i)
	}
}

// at returns the memory that p points to.
func at(p reg.Register) Mem { return Mem{Base: p} }
