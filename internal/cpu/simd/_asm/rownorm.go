package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// blockVectors is the number of vectors of a row that are summed in the element type before
// their sum is added in float64. Longer sums are less exact.
const blockVectors = 32

// rowNorm holds the registers and local memory of the kernels of LayerNorm, which is centred,
// and of RMSNorm, which is not.
type rowNorm struct {
	gen
	centred   bool
	with      bool          // with a sum before the norm, or a gradient added to dx
	cols, row reg.GPVirtual // row is the first of the current group
	tail      *tail
	pitch     pitch
	left      Mem    // number of columns that the sums do not include yet
	totals    [2]Mem // sums in float64, up to two for each row
	vectors   Mem    // with AVX2, vectors that have no register: totals in folded, and statistics
}

func (g gen) newRowNorm(centred, with bool) rowNorm {
	cols := length("gamma")
	n := rowNorm{
		gen: g, centred: centred, with: with, cols: cols, row: GP64(), tail: g.tailOf(cols), pitch: g.pitchOf(cols),
		left: AllocLocal(8), totals: [2]Mem{AllocLocal(32), AllocLocal(32)},
	}
	if !g.wide {
		n.vectors = AllocLocal(8 * g.width())
	}
	return n
}

// rows returns the number of rows.
func (n rowNorm) rows() Mem { return address(Param("rstd").Len()) }

// group returns the number of rows at a time, which the number of registers limits.
func (n rowNorm) group() int {
	if n.wide {
		return 4
	}
	return 2 // whose sums take two vectors each
}

// doubles returns a gen for YMM registers of float64, with one lane for each row.
func (n rowNorm) doubles() gen { return gen{double: true} }

// statistic returns the address of the group's elements in a slice with one element for each row.
func (n rowNorm) statistic(slice string) Mem { return n.at(ptr(slice), n.row) }

// ofRows returns, for each row, a register filled with its statistic.
func (n rowNorm) ofRows(m Mem, rows int) (v []reg.VecVirtual) {
	for r := range rows {
		v = append(v, n.broadcast(m.Offset(r*n.size())))
	}
	return v
}

// ofRow returns a register filled with the statistic of the group's row r.
func (n rowNorm) ofRow(slice string, r int) reg.VecVirtual {
	return n.broadcast(n.statistic(slice).Offset(r * n.size()))
}

// keepRows writes the first lanes of a float64 vector as statistics in the element type, and
// returns the rounded values.
func (n rowNorm) keepRows(v reg.VecVirtual, m Mem, rows int) reg.VecVirtual {
	switch {
	case n.double && rows == 4:
		VMOVUPD(v, m)
	case n.double && rows == 2:
		VMOVUPD(v.AsX(), m)
	case n.double:
		VMOVSD(v.AsX(), m)
	default:
		x, rounded := XMM(), YMM()
		VCVTPD2PSY(v, x)
		switch rows {
		case 4:
			VMOVUPS(x, m)
		case 2:
			VMOVSD(x, m)
		case 1:
			VMOVSS(x, m)
		}
		VCVTPS2PD(x, rounded)
		return rounded
	}
	return v
}

// count returns the number of columns in all lanes.
func (n rowNorm) count() reg.VecVirtual {
	x := XMM()
	VXORPD(x, x, x)
	VCVTSI2SDQ(n.cols, x, x)
	return n.doubles().broadcast(x)
}

func (g gen) rowNorms() {
	g.kernel("LayerNorm", "func(y, x, gamma, beta, mean, shift, rstd []T, eps float64, stream bool)", func() {
		g.newRowNorm(true, false).forward()
	})
	g.kernel("RMSNorm", "func(y, x, gamma, rstd []T, eps float64, stream bool)", func() {
		g.newRowNorm(false, false).forward()
	})
	g.kernel("LayerNormOfSum", "func(y, x, a, b, gamma, beta, mean, shift, rstd []T, eps float64, stream bool)", func() {
		g.newRowNorm(true, true).forward()
	})
	g.kernel("RMSNormOfSum", "func(y, x, a, b, gamma, rstd []T, eps float64, stream bool)", func() {
		g.newRowNorm(false, true).forward()
	})
	g.kernel("LayerNormBackward", "func(dx, x, dy, gamma, mean, shift, rstd, dgamma, dbeta []T, stream bool)", func() {
		g.newRowNorm(true, false).backward()
	})
	g.kernel("RMSNormBackward", "func(dx, x, dy, gamma, rstd, dgamma []T, stream bool)", func() {
		g.newRowNorm(false, false).backward()
	})
	const plus = "func(dx, x, dy, d, gamma, mean, shift, rstd, dgamma, dbeta []T, stream bool)"
	g.kernel("LayerNormBackwardPlus", plus, func() { g.newRowNorm(true, true).backward() })
	g.kernel("RMSNormBackwardPlus", "func(dx, x, dy, d, gamma, rstd, dgamma []T, stream bool)", func() {
		g.newRowNorm(false, true).backward()
	})
}

// rowAt returns a pointer to row r of the group in a matrix for which there is no register between the
// rows.
func (n rowNorm) rowAt(matrix string, r int) reg.GPVirtual {
	p, offset := ptr(matrix), copyOf(n.row)
	if r != 0 {
		ADDQ(I32(r), offset)
	}
	IMULQ(n.pitch.one, offset)
	ADDQ(offset, p)
	return p
}

// operands are the pointers to the rows of a group: to x and, in a kernel of a sum, to its operands.
type operands struct {
	n       rowNorm
	x, a, b reg.GPVirtual
	ahead   reg.Register // how many bytes ahead to prefetch the operands; nil for not at all
}

func (n rowNorm) newOperands(x reg.GPVirtual, ahead reg.Register) operands {
	o := operands{n: n, x: copyOf(x), ahead: ahead}
	if n.with {
		o.a, o.b = n.rowAt("a", 0), n.rowAt("b", 0)
	}
	return o
}

// pointers returns those that move along the columns.
func (o operands) pointers() []reg.Register {
	if o.n.with {
		return []reg.Register{o.x, o.a, o.b}
	}
	return []reg.Register{o.x}
}

// load returns a vector of the group's row r. In a kernel of a sum it adds the operands and writes the sum to x
// first.
func (o operands) load(r int, t *tail) reg.VecVirtual {
	n := o.n
	if !n.with {
		return n.load(n.pitch.row(o.x, r), t)
	}
	if r == 0 {
		o.prefetch()
	}
	v := n.load(n.pitch.row(o.a, r), t)
	n.add(n.from(n.pitch.row(o.b, r), t), v, v)
	n.store(v, n.pitch.row(o.x, r), t)
	return v
}

// askOperands returns the work of prefetching a sum's operands at a distance in bytes after the group's row r. In a
// kernel without a sum there are none.
func (n rowNorm) askOperands(distance reg.Register, r int) work {
	if !n.with {
		return n.nothing(0)
	}
	a, b := n.rowAt("a", r), n.rowAt("b", r)
	w := ask(distance, a, b)
	w.pointers = []reg.Register{a, b}
	return w
}

// prefetch prefetches the operands some rows ahead of the first row, and in a second pass over the columns of the
// second.
func (o operands) prefetch() {
	if o.ahead != nil {
		PREFETCHT1(Mem{Base: o.a, Index: o.ahead, Scale: 1})
		PREFETCHT1(Mem{Base: o.b, Index: o.ahead, Scale: 1})
	}
}

// forward writes the statistics of each group of rows and then its y.
func (n rowNorm) forward() {
	x, y := ptr("x"), ptr("y")
	eitherWay(
		func() { n.stream(y, x) },
		func() {
			groups(n.row, n.rows(), n.group(), func(rows int) {
				n.statistics(x, rows, nil, n.nothing)
				next := n.rowsAhead(rows)
				for r := range rows {
					n.sweep(n.cols, n.tail, n.normalize(y, x, r, false), ask(next, x), n.askOperands(next, r))
					n.nextRow(n.cols, x, y)
				}
			})
		})
}

// rowSums returns sums over the columns of a group of rows, in float64 with one lane for each
// row. The work that adding returns sums in the element type, over blocks of at most the
// given number of vectors; beside is other work of the same pass.
func (n rowNorm) rowSums(
	rows, sums, vectors int, adding func(sums [][]reg.VecVirtual) work, beside ...work,
) (of []reg.VecVirtual) {
	d, most := n.doubles(), U32(vectors*n.halves()*n.lanes())
	loop, further, done := label("block"), label("further"), label("summed")
	MOVQ(n.cols, n.left)
	Label(loop)
	block, full := GP64(), GP64()
	MOVQ(n.left, block)
	MOVQ(most, full)
	CMPQ(full, block)
	CMOVQLT(full, block)
	var v [][]reg.VecVirtual
	for range sums {
		v = append(v, n.zeros(rows*n.halves()))
	}
	w := adding(v)
	n.sweepSums(block, n.tail, append([]work{w}, beside...)...)
	if w.end != nil {
		w.end()
	}
	for i := range sums {
		of = append(of, n.sums(v[i]))
	}
	CMPQ(n.cols, most)
	JLE(LabelRef(done)) // a typical row is one block
	CMPQ(n.left, n.cols)
	JNE(LabelRef(further))
	for _, total := range n.totals[:sums] {
		d.store(d.zero(), total, nil)
	}
	Label(further)
	for i, total := range n.totals[:sums] {
		d.add(total, of[i], of[i])
		d.store(of[i], total, nil)
	}
	SUBQ(most, n.left)
	JG(LabelRef(loop))
	Label(done)
	return of
}

// folded returns work whose sums move to other sums after every few vectors; those are added
// back in the end. A long sum of equal terms would collect roundings of one sign.
func (n rowNorm) folded(w work, sums [][]reg.VecVirtual) work {
	var all []reg.VecVirtual
	for _, s := range sums {
		all = append(all, s...)
	}
	few := n.wide || len(all) <= 4
	totals := n.kept(few, len(all), func(int) reg.VecVirtual { return n.zero() })
	w.fold = func() {
		for i, s := range all {
			n.addTo(totals[i], s)
			n.clear(s)
		}
	}
	w.end = func() {
		for i, s := range all {
			n.add(totals[i], s, s)
		}
	}
	return w
}

// kept returns at most eight vectors of a kernel, in registers or, with AVX2, which has few, in memory.
func (n rowNorm) kept(inRegisters bool, count int, vector func(i int) reg.VecVirtual) (kept []Op) {
	for i := range count {
		v := vector(i)
		if inRegisters {
			kept = append(kept, v)
			continue
		}
		m := n.vectors.Offset(i * n.width())
		n.store(v, m, nil)
		kept = append(kept, m)
	}
	return kept
}

// addTo adds v to a vector of kept.
func (n rowNorm) addTo(kept Op, v reg.VecVirtual) {
	m, ok := kept.(Mem)
	if !ok {
		n.add(v, kept, kept)
		return
	}
	sum := n.reg()
	n.add(m, v, sum)
	n.store(sum, m, nil)
}

// nothing is the work beside a pass that has no other.
func (n rowNorm) nothing(pass int) work { return work{do: func(*tail) {}} }

// statistics computes those of a group of rows in n.passes() passes. beside returns other
// work for each pass; ahead is that of operands.
func (n rowNorm) statistics(x reg.GPVirtual, rows int, ahead reg.Register, beside func(pass int) work) {
	if n.centred {
		n.moments(x, rows, ahead, beside)
	} else {
		n.meanSquare(x, rows, ahead, beside)
	}
}

// passes returns the number of passes over a row that its statistics take.
func (n rowNorm) passes() int {
	if n.centred {
		return 2
	}
	return 1
}

// moments computes the mean, shift and rstd of a group of rows. The first mean may be some
// roundings off, so its blocks may be longer. The mean of the deviations from it, delta, is
// added to it if it is more than a quarter of a standard deviation, and to the shift
// otherwise: x̂ is most exact with the deviations that delta was computed from.
func (n rowNorm) moments(x reg.GPVirtual, rows int, ahead reg.Register, beside func(pass int) work) {
	d := n.doubles()
	o := n.newOperands(x, ahead)
	mean := n.rowSums(rows, 1, 2*blockVectors, func(sums [][]reg.VecVirtual) work {
		return work{do: func(t *tail) {
			for r := range rows {
				sum := n.in(sums[0], r)
				n.add(o.load(r, t), sum, sum)
			}
		}, pointers: o.pointers()}
	}, beside(0))[0]
	d.div(mean, n.count(), mean)
	n.keepRows(mean, n.statistic("mean"), rows)

	m, p := n.ofRows(n.statistic("mean"), rows), copyOf(x)
	pointers := []reg.Register{p}
	if ahead != nil && n.with {
		pointers = append(pointers, o.a, o.b)
	}
	sums := n.rowSums(rows, 2, blockVectors, func(sums [][]reg.VecVirtual) work {
		return n.folded(work{do: func(t *tail) {
			o.prefetch()
			for r := range rows {
				v := n.load(n.pitch.row(p, r), t)
				n.sub(v, m[r], v)
				n.keep(v, t)
				n.add(v, n.in(sums[0], r), n.in(sums[0], r))
				n.fma(v, v, n.in(sums[1], r))
			}
		}, pointers: pointers}, sums)
	}, beside(1))
	delta, variance, count := sums[0], sums[1], n.count()
	d.div(delta, count, delta)
	d.div(variance, count, variance)
	square := d.reg()
	d.mul(delta, delta, square)
	d.sub(variance, square, variance)
	d.max(d.zero(), variance, variance) // a NaN stays one
	d.mul(d.constant(16), square, square)
	off := d.reg()
	d.move(delta, off)
	masks := gen{double: true, wide: n.wide}
	masks.keep(off, masks.atLeast(square, variance))
	rstd := n.rstd(variance, rows)

	shift := n.rowsOf(n.statistic("mean"), rows)
	d.add(shift, off, mean)
	d.sub(shift, n.keepRows(mean, n.statistic("mean"), rows), shift)
	d.add(delta, shift, shift)
	d.mul(rstd, shift, shift)
	n.keepRows(shift, n.statistic("shift"), rows)
}

// meanSquare computes the rstd of a group of rows.
func (n rowNorm) meanSquare(x reg.GPVirtual, rows int, ahead reg.Register, beside func(pass int) work) {
	o := n.newOperands(x, ahead)
	square := n.rowSums(rows, 1, blockVectors, func(sums [][]reg.VecVirtual) work {
		return n.folded(work{do: func(t *tail) {
			for r := range rows {
				v := o.load(r, t)
				n.fma(v, v, n.in(sums[0], r))
			}
		}, pointers: o.pointers()}, sums)
	}, beside(0))[0]
	n.doubles().div(square, n.count(), square)
	n.rstd(square, rows)
}

// rstd returns 1/√(variance + eps) and writes it to the slice rstd.
func (n rowNorm) rstd(variance reg.VecVirtual, rows int) reg.VecVirtual {
	d := n.doubles()
	d.add(d.broadcast(address(Param("eps"))), variance, variance)
	d.sqrt(variance, variance)
	rstd := d.constant(1)
	d.div(rstd, variance, rstd)
	n.keepRows(rstd, n.statistic("rstd"), rows)
	return rstd
}

// normalize returns the work of writing γ·x̂ + β with x̂ = (x−mean)·rstd − shift, for the row
// that x points to, which is the group's row r.
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
