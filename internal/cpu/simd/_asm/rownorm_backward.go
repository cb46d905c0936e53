package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// backward writes dx and adds to dγ and dβ. It reads γ, dγ and dβ, and writes dγ and dβ, once for
// each group of rows.
func (n rowNorm) backward() {
	x, dy, dx := ptr("x"), ptr("dy"), ptr("dx")
	slope := AllocLocal(2 * 32)
	eitherWay(
		func() { n.streamBackward(dx, x, dy, slope) },
		func() {
			groups(n.row, n.rows(), n.group(), func(rows int) {
				p, q := copyOf(x), copyOf(dy)
				n.gradientSums(p, q, rows, slope)
				next := n.rowsAhead(rows)
				for r := range rows {
					n.sweep(n.cols, n.tail, n.inputGradient(dx, x, dy, r, slope, false), ask(next, x, dy))
					n.nextRow(n.cols, x, dy, dx)
				}
			})
		})
}

// gradientSums adds to dγ and dβ, and writes a and b of each row to slope. With means over the
// columns,
//
//	dx = rstd·(g − (x−mean)·a − b)    a = rstd·mean(g·x̂)    b = mean(g) − shift·mean(g·x̂)
//
// x and dy move past the full vectors.
func (n rowNorm) gradientSums(x, dy reg.Register, rows int, slope Mem, beside ...work) {
	rstd := n.ofRows(n.statistic("rstd"), rows)
	gamma, dgamma := ptr("gamma"), ptr("dgamma")
	pointers := []reg.Register{x, dy, gamma, dgamma}
	var mean, shift []Op
	var dbeta reg.GPVirtual
	if n.centred {
		both := n.kept(n.wide, 2*rows, func(i int) reg.VecVirtual {
			return n.ofRow([]string{"mean", "shift"}[i/rows], i%rows)
		})
		mean, shift = both[:rows], both[rows:]
		dbeta = ptr("dbeta")
		pointers = append(pointers, dbeta)
	}
	adding := func(sums [][]reg.VecVirtual) work {
		return work{do: func(t *tail) {
			gam, dg := n.load(Mem{Base: gamma}, t), n.load(Mem{Base: dgamma}, t)
			var db reg.VecVirtual
			if n.centred {
				db = n.load(Mem{Base: dbeta}, t)
			}
			for r := range rows {
				xhat, g := n.load(n.pitch.row(x, r), t), n.load(n.pitch.row(dy, r), t)
				if n.centred {
					n.sub(xhat, mean[r], xhat)
					n.fms(rstd[r], shift[r], xhat)
					n.add(g, db, db)
				} else {
					n.mul(rstd[r], xhat, xhat)
				}
				n.fma(g, xhat, dg)
				n.mul(gam, g, g)
				n.fma(g, xhat, n.in(sums[0], r))
				if n.centred {
					n.add(g, n.in(sums[1], r), n.in(sums[1], r))
				}
			}
			n.store(dg, Mem{Base: dgamma}, t)
			if n.centred {
				n.store(db, Mem{Base: dbeta}, t)
			}
		}, pointers: pointers}
	}
	means := 1
	if n.centred {
		means = 2
	}
	sums := n.rowSums(rows, means, blockVectors, adding, beside...)

	d, count := n.doubles(), n.count()
	a := sums[0]
	d.div(a, count, a)
	if n.centred {
		b := sums[1]
		d.div(b, count, b)
		d.fnma(n.rowsOf(n.statistic("shift"), rows), a, b)
		n.keepRows(b, slope.Offset(32), rows)
	}
	d.mul(n.rowsOf(n.statistic("rstd"), rows), a, a)
	n.keepRows(a, slope, rows)
}

// rowsOf loads statistics as float64, one lane for each row. Lanes without a row are zero.
func (n rowNorm) rowsOf(m Mem, rows int) reg.VecVirtual {
	v := blank()
	switch {
	case n.double && rows == 4:
		VMOVUPD(m, v)
	case n.double && rows == 2:
		VMOVUPD(m, v.AsX())
	case n.double:
		VMOVSD(m, v.AsX())
	default:
		x := XMM()
		switch rows {
		case 4:
			VMOVUPS(m, x)
		case 2:
			VMOVSD(m, x)
		case 1:
			VMOVSS(m, x)
		}
		VCVTPS2PD(x, v)
	}
	return v
}

// inputGradient returns the work of writing dx for the row that x and dy point to, the group's row r.
func (n rowNorm) inputGradient(dx, x, dy reg.Register, r int, slope Mem, stream bool) work {
	rstd, gamma := n.ofRow("rstd", r), ptr("gamma")
	at := slope.Offset(max(r, 0) * n.size())
	a := n.broadcast(at)
	var mean, b reg.VecVirtual
	if n.centred {
		mean, b = n.ofRow("mean", r), n.broadcast(at.Offset(32))
	}
	pointers := []reg.Register{x, dy, dx, gamma}
	var other reg.GPVirtual
	if n.with {
		other = n.rowAt("d", r)
		pointers = append(pointers, other)
	}
	return work{do: func(t *tail) {
		v, g := n.load(Mem{Base: x}, t), n.load(Mem{Base: dy}, t)
		n.mul(n.from(Mem{Base: gamma}, t), g, g)
		if n.centred {
			n.sub(v, mean, v)
			n.sub(g, b, g)
		}
		n.fnma(v, a, g)
		n.mul(rstd, g, g)
		if n.with {
			if stream {
				PREFETCHT0(Mem{Base: other, Disp: leastDistance})
			}
			n.add(n.from(Mem{Base: other}, t), g, g)
		}
		n.put(g, Mem{Base: dx}, t, stream)
	}, pointers: pointers}
}
