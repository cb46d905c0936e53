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
	sums := p.zeros(n * p.halves())
	totals := make([]total, n)
	for i := range totals {
		totals[i] = d.newTotal()
	}
	fold := func() {
		for i := range n {
			totals[i].add(p.gen, sums[i*p.halves():][:p.halves()])
		}
	}
	p.eachRow(func() {
		gamma, dgamma, dbeta := ptr("gamma"), ptr("dgamma"), ptr("dbeta")
		p.sweepSums(p.cols, p.tail, work{do: func(t *tail) {
			v, g := p.load(at(x), t), p.load(at(dy), t)
			value, slope := f.of(v, t)
			p.fam(g, p.from(at(dgamma), t), value)
			p.store(value, at(dgamma), t)
			db := p.load(at(dbeta), t)
			p.add(g, db, db)
			p.store(db, at(dbeta), t)
			p.mul(p.from(at(gamma), t), g, g)
			p.mul(slope, g, g)
			p.fma(v, g, p.in(sums, 0))
			if f.shift {
				p.add(g, p.in(sums, 1), p.in(sums, 1))
			}
			p.mul(scale, g, g)
			p.store(g, at(dx), t)
		}, pointers: append([]reg.Register{gamma, dgamma, dbeta}, moving...), fold: fold})
		fold()
		p.nextRow(p.cols, moving...)
	})
	for i, t := range totals {
		sum := d.sum(d.joined(t.load())[0])
		d.mul(d.constant(f.factor), sum, sum)
		d.result(sum, i)
	}
}

// total is a sum in float64 that sums in T are added to: with AVX-512 in a register, and with AVX2,
// which has fewer, in memory.
type total struct {
	gen
	register reg.VecVirtual
	memory   Mem
}

func (g gen) newTotal() (t total) {
	t.gen = g
	if g.wide {
		t.register = g.zero()
		return t
	}
	t.memory = AllocLocal(g.halves() * g.width())
	for i := range g.halves() {
		g.store(g.zero(), t.memory.Offset(i*g.width()), nil)
	}
	return t
}

// load returns the total's vectors.
func (t total) load() (v []reg.VecVirtual) {
	if t.wide {
		return []reg.VecVirtual{t.register}
	}
	for i := range t.halves() {
		v = append(v, t.gen.load(t.memory.Offset(i*t.width()), nil))
	}
	return v
}

// add adds the vectors of a sum in T, and sets them to zero.
func (t total) add(of gen, sum []reg.VecVirtual) {
	v := t.load()
	for i, s := range sum {
		if of.double {
			t.gen.add(s, v[i], v[i])
		} else {
			low, high := of.doubles(s)
			t.gen.add(low, v[0], v[0])
			t.gen.add(high, v[len(v)-1], v[len(v)-1])
		}
		of.clear(s)
	}
	if !t.wide {
		for i := range v {
			t.gen.store(v[i], t.memory.Offset(i*t.width()), nil)
		}
	}
}

// at returns the memory that p points to.
func at(p reg.Register) Mem { return Mem{Base: p} }
