package main

import (
	"github.com/mmcloughlin/avo/reg"
)

// dyT writes the kernels of DyT. With e = exp(−2|u|) and m = 1 − e, tanh|u| = m/(2 − m),
// which has all its digits for small u too, and tanh'(u) = 4·e/(2 − m)².
func (g gen) dyT() {
	g.kernel("DyT", "func(y, x, gamma, beta []T, alpha T, rows int)", func() {
		f := g.newTanh()
		f.forward(func(x reg.VecVirtual) reg.VecVirtual {
			u, z := f.arguments(x)
			f.max(f.low, z, z)
			m := f.lessExp(f.exp.parts(z))
			d := f.reg()
			f.sub(f.two, m, d)
			f.div(m, d, m)
			f.copySign(u, m)
			return m
		}, "")
	})

	g.kernel("DyTBackward", "func(dx, x, dy, gamma, dgamma, dbeta []T, alpha T, rows int) (dalpha float64)", func() {
		f := g.newTanh()
		f.backward(gradient{of: func(x reg.VecVirtual, _ *tail) (value, slope reg.VecVirtual) {
			u, z := f.arguments(x)
			kept := f.atLeast(z, f.low)
			f.max(f.low, z, z)
			s, e := f.exp.parts(z)
			m := f.lessExp(s, e)
			f.fam(s, s, e)
			f.keep(e, kept)
			d := f.reg()
			f.sub(f.two, m, d)
			f.div(f.one, d, d)
			f.mul(d, m, m)
			f.mul(d, e, e)
			f.mul(d, e, e)
			f.copySign(u, m)
			return m, e
		}, factor: 4})
	})
}

type tanh struct {
	pointwise
	twoAlpha, two, low reg.VecVirtual
}

func (g gen) newTanh() tanh {
	f := tanh{pointwise: g.newPointwise(), twoAlpha: g.scalar("alpha"), two: g.constant(2)}
	f.add(f.twoAlpha, f.twoAlpha, f.twoAlpha)
	f.low = f.held(f.exp.low)
	return f
}

// arguments returns 2u, for its sign, and −2|u|.
func (f tanh) arguments(x reg.VecVirtual) (twoU, z reg.VecVirtual) {
	twoU = f.reg()
	f.mul(f.twoAlpha, x, twoU)
	return twoU, f.negative(twoU)
}
