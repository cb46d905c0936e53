package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rowNorm is what the kernels of LayerNorm, which is centred, and of RMSNorm,
// which is not, work with.
type rowNorm struct {
	gen
	centred   bool
	cols, row reg.GPVirtual // row is the first of the group at hand
	tail      *tail
	pitch     pitch
}

func (g gen) newRowNorm(centred bool) rowNorm {
	cols := length("gamma")
	return rowNorm{g, centred, cols, GP64(), g.tailOf(cols), g.pitchOf(cols)}
}

// group is how many rows are worked on at a time, as registers allow.
func (n rowNorm) group() int {
	if n.wide {
		return 4
	}
	return 2
}

// doubles works on a YMM register of float64, one lane a row.
func (n rowNorm) doubles() gen { return gen{double: true} }

// statistic is where the group's elements of a slice with one a row are.
func (n rowNorm) statistic(slice string) Mem { return n.at(ptr(slice), n.row) }

// ofRows broadcasts a statistic of each row to a register of its own.
func (n rowNorm) ofRows(m Mem, rows int) (v []reg.VecVirtual) {
	for r := range rows {
		v = append(v, n.broadcast(m.Offset(r*n.size())))
	}
	return v
}

// ofRow broadcasts the statistic of the group's row r.
func (n rowNorm) ofRow(slice string, r int) reg.VecVirtual {
	return n.broadcast(n.statistic(slice).Offset(r * n.size()))
}

// keepRows writes the first lanes of a float64 vector as statistics.
func (n rowNorm) keepRows(v reg.VecVirtual, m Mem, rows int) {
	switch {
	case n.double && rows == 4:
		VMOVUPD(v, m)
	case n.double && rows == 2:
		VMOVUPD(v.AsX(), m)
	case n.double:
		VMOVSD(v.AsX(), m)
	default:
		x := XMM()
		VCVTPD2PSY(v, x)
		switch rows {
		case 4:
			VMOVUPS(x, m)
		case 2:
			VMOVSD(x, m)
		case 1:
			VMOVSS(x, m)
		}
	}
}

// count is the number of columns in all lanes.
func (n rowNorm) count() reg.VecVirtual {
	x := XMM()
	VXORPD(x, x, x)
	VCVTSI2SDQ(n.cols, x, x)
	return n.doubles().broadcast(x)
}

func (g gen) rowNorms() {
	g.kernel("LayerNorm", "func(y, x, gamma, beta, mean, shift, rstd []T, eps float64, stream bool)", func() {
		g.newRowNorm(true).forward()
	})
	g.kernel("RMSNorm", "func(y, x, gamma, rstd []T, eps float64, stream bool)", func() {
		g.newRowNorm(false).forward()
	})
	g.kernel("LayerNormBackward", "func(dx, x, dy, gamma, mean, shift, rstd, dgamma, dbeta []T, stream bool)", func() {
		g.newRowNorm(true).backward()
	})
	g.kernel("RMSNormBackward", "func(dx, x, dy, gamma, rstd, dgamma []T, stream bool)", func() {
		g.newRowNorm(false).backward()
	})
}

func (n rowNorm) forward() {
	x, y := ptr("x"), ptr("y")
	groups(n.row, address(Param("rstd").Len()), n.group(), func(rows int) {
		if n.centred {
			n.moments(x, rows)
		} else {
			n.meanSquare(x, rows)
		}
		eitherWay(func(stream bool) { n.normalize(y, x, rows, stream) })
	})
	fence()
}

// moments takes a group's mean, shift and rstd. The deviations from the rounded
// mean correct it.
func (n rowNorm) moments(x reg.GPVirtual, rows int) {
	d := n.doubles()
	sum := n.zeros(rows)
	p, next := copyOf(x), n.ahead(x)
	n.sweep(n.cols, n.tail, func(t *tail) {
		n.prefetch(t, next, 0, rows/4)
		for r := range rows {
			n.add(n.from(n.pitch.row(p, r), t), sum[r], sum[r])
		}
	}, p, next)
	mean := n.sums(sum)
	d.div(mean, n.count(), mean)
	n.keepRows(mean, n.statistic("mean"), rows)

	m := n.ofRows(n.statistic("mean"), rows)
	sum, squares := n.zeros(rows), n.zeros(rows)
	p, next = copyOf(x), n.ahead(x)
	n.sweep(n.cols, n.tail, func(t *tail) {
		n.prefetch(t, next, rows/4, rows/2)
		for r := range rows {
			v := n.load(n.pitch.row(p, r), t)
			n.sub(v, m[r], v)
			n.keep(v, t)
			n.add(v, sum[r], sum[r])
			n.fma(v, v, squares[r])
		}
	}, p, next)
	delta, variance, count := n.sums(sum), n.sums(squares), n.count()
	d.div(delta, count, delta)
	d.div(variance, count, variance)
	d.fnma(delta, delta, variance)
	d.max(d.zero(), variance, variance) // a NaN stays one
	rstd := n.rstd(variance, rows)
	d.mul(delta, rstd, delta)
	n.keepRows(delta, n.statistic("shift"), rows)
}

// meanSquare takes a group's rstd.
func (n rowNorm) meanSquare(x reg.GPVirtual, rows int) {
	squares := n.zeros(rows)
	p, next := copyOf(x), n.ahead(x)
	n.sweep(n.cols, n.tail, func(t *tail) {
		n.prefetch(t, next, 0, rows/2)
		for r := range rows {
			v := n.load(n.pitch.row(p, r), t)
			n.fma(v, v, squares[r])
		}
	}, p, next)
	square := n.sums(squares)
	n.doubles().div(square, n.count(), square)
	n.rstd(square, rows)
}

// rstd turns variances into 1/√(variance + eps) and keeps them.
func (n rowNorm) rstd(variance reg.VecVirtual, rows int) reg.VecVirtual {
	d := n.doubles()
	d.add(d.broadcast(address(Param("eps"))), variance, variance)
	d.sqrt(variance, variance)
	rstd := d.constant(1)
	d.div(rstd, variance, rstd)
	n.keepRows(rstd, n.statistic("rstd"), rows)
	return rstd
}

// normalize writes γ·x̂ + β with x̂ = (x−mean)·rstd − shift, row after row, for
// memory likes it best that way. x and y move past the group.
func (n rowNorm) normalize(y, x reg.GPVirtual, rows int, stream bool) {
	ahead := n.ahead(x)
	for r := range rows {
		rstd, gamma, next := n.ofRow("rstd", r), ptr("gamma"), copyOf(ahead)
		pointers := []reg.Register{x, y, gamma, next}
		var beta reg.GPVirtual
		var mean, shift reg.VecVirtual
		if n.centred {
			mean, shift, beta = n.ofRow("mean", r), n.ofRow("shift", r), ptr("beta")
			pointers = append(pointers, beta)
		}
		n.sweep(n.cols, n.tail, func(t *tail) {
			if r%2 == 0 {
				n.prefetch(t, next, (rows+r)/2, (rows+r)/2+1)
			}
			v := n.load(Mem{Base: x}, t)
			if n.centred {
				n.sub(v, mean, v)
				n.fms(rstd, shift, v)
				g := n.load(Mem{Base: gamma}, t)
				n.fam(g, n.from(Mem{Base: beta}, t), v)
			} else {
				n.mul(rstd, v, v)
				n.mul(n.from(Mem{Base: gamma}, t), v, v)
			}
			n.put(v, Mem{Base: y}, t, stream)
		}, pointers...)
		n.nextRow(x, y)
	}
}

// nextRow completes a sweep: it left pointers where the full vectors end.
func (n rowNorm) nextRow(pointers ...reg.Register) {
	rest := copyOf(n.cols)
	ANDQ(U32(n.lanes()-1), rest)
	n.bytes(rest)
	for _, p := range pointers {
		ADDQ(rest, p)
	}
}

// ahead is a pointer to what the caches should hold when the next group comes.
func (n rowNorm) ahead(p reg.Register) reg.GPVirtual {
	q := GP64()
	LEAQ(Mem{Base: p, Index: n.pitch.one, Scale: uint8(n.group())}, q)
	return q
}

// prefetch asks the outer cache for the next group's rows from one to another. A
// pass that reads what is there already leaves the memory free for that.
func (n rowNorm) prefetch(t *tail, next reg.Register, from, to int) {
	if t == nil {
		for r := from; r < to; r++ {
			PREFETCHT1(n.pitch.row(next, r))
		}
	}
}

// backward reads γ and reads and writes the sums dγ and dβ once for a group.
func (n rowNorm) backward() {
	x, dy, dx := ptr("x"), ptr("dy"), ptr("dx")
	scratch := AllocLocal(32)
	groups(n.row, address(Param("rstd").Len()), n.group(), func(rows int) {
		sumG, sumGX := n.gradientSums(x, dy, rows)
		// dx = rstd·(g − (x−mean)·a − b), where, with means over the columns,
		// a = rstd·mean(g·x̂) and b = mean(g) − shift·mean(g·x̂).
		d, count := n.doubles(), n.count()
		d.div(sumGX, count, sumGX)
		if n.centred {
			d.div(sumG, count, sumG)
			d.fnma(n.rowsOf(n.statistic("shift"), rows), sumGX, sumG)
		}
		d.mul(n.rowsOf(n.statistic("rstd"), rows), sumGX, sumGX)
		n.keepRows(sumGX, scratch, rows)
		a := n.ofRows(scratch, rows)
		var b []reg.VecVirtual
		if n.centred {
			n.keepRows(sumG, scratch, rows)
			b = n.ofRows(scratch, rows)
		}
		eitherWay(func(stream bool) { n.inputGradient(dx, x, dy, a, b, stream) })
	})
	fence()
}

// rowsOf loads statistics as float64, one lane a row; lanes without one are zero.
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

// normalized is x̂ of row r, or without a shift x̂ + shift.
func (n rowNorm) gradientSums(x, dy reg.GPVirtual, rows int) (g, gx reg.VecVirtual) {
	p, q, gamma, dgamma := copyOf(x), copyOf(dy), ptr("gamma"), ptr("dgamma")
	next := n.ahead(x)
	pointers := []reg.Register{p, q, gamma, dgamma, next}
	rstd, sumGX := n.ofRows(n.statistic("rstd"), rows), n.zeros(rows)
	var mean, shift, sumG []reg.VecVirtual
	var dbeta reg.GPVirtual
	if n.centred {
		mean, shift = n.ofRows(n.statistic("mean"), rows), n.ofRows(n.statistic("shift"), rows)
		sumG, dbeta = n.zeros(rows), ptr("dbeta")
		pointers = append(pointers, dbeta)
	}
	n.sweep(n.cols, n.tail, func(t *tail) {
		n.prefetch(t, next, 0, rows)
		gam, dg := n.load(Mem{Base: gamma}, t), n.load(Mem{Base: dgamma}, t)
		var db reg.VecVirtual
		if n.centred {
			db = n.load(Mem{Base: dbeta}, t)
		}
		for r := range rows {
			xhat, g := n.load(n.pitch.row(p, r), t), n.load(n.pitch.row(q, r), t)
			if n.centred {
				n.sub(xhat, mean[r], xhat)
				n.fms(rstd[r], shift[r], xhat)
				n.add(g, db, db)
			} else {
				n.mul(rstd[r], xhat, xhat)
			}
			n.fma(g, xhat, dg)
			n.mul(gam, g, g)
			n.fma(g, xhat, sumGX[r])
			if n.centred {
				n.add(g, sumG[r], sumG[r])
			}
		}
		n.store(dg, Mem{Base: dgamma}, t)
		if n.centred {
			n.store(db, Mem{Base: dbeta}, t)
		}
	}, pointers...)
	if n.centred {
		g = n.sums(sumG)
	}
	return g, n.sums(sumGX)
}

// inputGradient writes dx, row after row. The pointers move past the group.
func (n rowNorm) inputGradient(dx, x, dy reg.GPVirtual, a, b []reg.VecVirtual, stream bool) {
	next := n.ahead(dy)
	for r := range a {
		rstd, gamma := n.ofRow("rstd", r), ptr("gamma")
		var mean reg.VecVirtual
		if n.centred {
			mean = n.ofRow("mean", r)
		}
		n.sweep(n.cols, n.tail, func(t *tail) {
			n.prefetch(t, next, 0, 1)
			v, g := n.load(Mem{Base: x}, t), n.load(Mem{Base: dy}, t)
			n.mul(n.from(Mem{Base: gamma}, t), g, g)
			if n.centred {
				n.sub(v, mean, v)
				n.sub(g, b[r], g)
			}
			n.fnma(v, a[r], g)
			n.mul(rstd, g, g)
			n.put(g, Mem{Base: dx}, t, stream)
		}, x, dy, dx, gamma, next)
		n.nextRow(x, dy, dx, next)
	}
}
