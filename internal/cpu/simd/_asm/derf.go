package main

import (
	"math"
	"slices"

	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// erfFit describes an approximation of erf(v) = 1 − exp(−L(v)) with L(v) = −ln erfc(v), for
// v ≥ 0. The result has all its digits if the difference has, because L is v times a
// polynomial:
//
//	L(v) = v·(2/√π + v·R(v − centre))
//
// From bound on, erf is 1. R minimizes the largest relative error of erf: 4.2e-9 for
// float32, 9.7e-18 for float64.
type erfFit struct {
	bound, centre float64
	r             []float64 // coefficients of R, the constant first
}

// erfFits holds the fits by whether the type is float64.
var erfFits = map[bool]erfFit{
	false: {4, 1.5, []float64{
		0.75196597987120760677, 0.055344132298823272271, -0.011270990284313831305,
		0.0019036018128225831941, -0.00020204835447110725811, -0.000011274157397914465763,
		0.000020347713042008515342, -9.3409863195051919653e-6,
	}},
	true: {6, 2, []float64{
		0.77704573260640343889, 0.045399677118322982147, -0.0087233998140004867203,
		0.0014897600685430235127, -0.00020159920144341250425, 0.000012259031533724330831,
		4.3134353396177026775e-6, -2.2015867809491950355e-6, 6.3517885790994665044e-7,
		-1.3569180838690194502e-7, 2.019651588909136301e-8, -7.2261712168241592882e-10,
		-8.3306005558446435827e-10, 3.7851630905269800905e-10, -1.0784446113673330434e-10,
		2.4418697336524680811e-11, -3.5661244922150559854e-12, -4.0429382847985664671e-13,
		2.2167872998759833627e-13, 9.87750968710372601e-16, 2.1827150094777659642e-14,
		-1.4927876693998831498e-14, 7.7653084461101921245e-16, 7.6834805736963521455e-16,
		-1.1127756934592791797e-16,
	}},
}

func (f erfFit) highestFirst() []float64 {
	r := slices.Clone(f.r)
	slices.Reverse(r)
	return r
}

func (g gen) derf() {
	g.kernel("Derf", "func(y, erf, x, gamma, beta []T, alpha, shift T, rows int)", func() {
		f, fit := g.newErf(), erfFits[g.double]
		bound, centre := g.constant(fit.bound), g.literal(fit.centre, g.lanes())
		var r []Op
		for _, c := range fit.highestFirst() {
			r = append(r, g.literal(c, g.lanes()))
		}
		slope := g.literal(2/math.Sqrt(math.Pi), g.lanes())
		f.forward(func(x reg.VecVirtual) reg.VecVirtual {
			u := f.argument(x)
			v, y := f.size(u), f.reg()
			f.min(bound, v, v)
			f.sub(v, centre, y)
			z := f.horner(r, y)
			f.fam(v, slope, z)
			f.mul(f.negative(v), z, z)
			m := f.lessExp(f.exp.parts(z))
			f.copySign(u, m)
			return m
		}, "erf")
	})

	const backward = "func(dx, x, erf, dy, gamma, dgamma, dbeta []T, alpha, shift T, rows int) (dalpha, dshift float64)"
	g.kernel("DerfBackward", backward, func() {
		f, erf := g.newErf(), ptr("erf")
		f.backward(gradient{of: func(x reg.VecVirtual, t *tail) (value, slope reg.VecVirtual) {
			u := f.argument(x)
			f.mul(u, u, u)
			z := f.negative(u)
			return f.load(at(erf), t), f.exp.of(z, f.exp.plain(z))
		}, factor: 2 / math.Sqrt(math.Pi), moving: []reg.Register{erf}, shift: true})
	})
}

type erf struct {
	pointwise
	alpha, shift reg.VecVirtual
}

func (g gen) newErf() erf {
	return erf{pointwise: g.newPointwise(), alpha: g.scalar("alpha"), shift: g.scalar("shift")}
}

// argument returns u = α·x + shift.
func (f erf) argument(x reg.VecVirtual) reg.VecVirtual {
	u := f.reg()
	f.move(f.shift, u)
	f.fma(f.alpha, x, u)
	return u
}
