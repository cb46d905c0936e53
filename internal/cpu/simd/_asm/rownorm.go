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

// rows is how many there are.
func (n rowNorm) rows() Mem { return address(Param("rstd").Len()) }

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
	eitherWay(
		func() { n.stream(y, x) },
		func() {
			groups(n.row, n.rows(), n.group(), func(rows int) {
				n.statistics(x, rows, n.nothing)
				next := n.rowsAhead(rows)
				for r := range rows {
					n.sweep(n.cols, n.tail, n.normalize(y, x, r, false), ask(PREFETCHT0, next, x))
					n.nextRow(n.cols, x, y)
				}
			})
		})
}

// nothing is what there is to do beside a pass.
func (n rowNorm) nothing(pass int) work { return work{do: func(*tail) {}} }

// statistics takes those of a group's rows in n.passes() passes. What beside gives
// is done along with them.
func (n rowNorm) statistics(x reg.GPVirtual, rows int, beside func(pass int) work) {
	if n.centred {
		n.moments(x, rows, beside)
	} else {
		n.meanSquare(x, rows, beside)
	}
}

func (n rowNorm) passes() int {
	if n.centred {
		return 2
	}
	return 1
}

// moments takes a group's mean, shift and rstd. The deviations from the rounded
// mean correct it.
func (n rowNorm) moments(x reg.GPVirtual, rows int, beside func(pass int) work) {
	d := n.doubles()
	sum := n.zeros(rows)
	p := copyOf(x)
	n.sweep(n.cols, n.tail, work{do: func(t *tail) {
		for r := range rows {
			n.add(n.from(n.pitch.row(p, r), t), sum[r], sum[r])
		}
	}, pointers: []reg.Register{p}}, beside(0))
	mean := n.sums(sum)
	d.div(mean, n.count(), mean)
	n.keepRows(mean, n.statistic("mean"), rows)

	m := n.ofRows(n.statistic("mean"), rows)
	sum, squares := n.zeros(rows), n.zeros(rows)
	p = copyOf(x)
	w, total := n.folded(work{do: func(t *tail) {
		for r := range rows {
			v := n.load(n.pitch.row(p, r), t)
			n.sub(v, m[r], v)
			n.keep(v, t)
			n.add(v, sum[r], sum[r])
			n.fma(v, v, squares[r])
		}
	}, pointers: []reg.Register{p}}, squares)
	n.sweep(n.cols, n.tail, w, beside(1))
	for r := range rows {
		n.add(total[r], squares[r], squares[r])
	}
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
func (n rowNorm) meanSquare(x reg.GPVirtual, rows int, beside func(pass int) work) {
	squares := n.zeros(rows)
	p := copyOf(x)
	w, total := n.folded(work{do: func(t *tail) {
		for r := range rows {
			v := n.load(n.pitch.row(p, r), t)
			n.fma(v, v, squares[r])
		}
	}, pointers: []reg.Register{p}}, squares)
	n.sweep(n.cols, n.tail, w, beside(0))
	for r := range rows {
		n.add(total[r], squares[r], squares[r])
	}
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

// normalize writes γ·x̂ + β with x̂ = (x−mean)·rstd − shift, for the row that x is
// at, which is the group's row r.
func (n rowNorm) normalize(y, x reg.Register, r int, stream bool) work {
	rstd, gamma := n.ofRow("rstd", r), ptr("gamma")
	pointers := []reg.Register{x, y, gamma}
	var beta reg.GPVirtual
	var mean, shift reg.VecVirtual
	if n.centred {
		mean, shift, beta = n.ofRow("mean", r), n.ofRow("shift", r), ptr("beta")
		pointers = append(pointers, beta)
	}
	return work{do: func(t *tail) {
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
	}, pointers: pointers}
}
