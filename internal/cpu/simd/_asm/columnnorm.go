package main

import (
	"slices"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// columnKernel describes a kernel on strips of matrices. It works on some rows at a time, so
// that it reads and writes the values of a column once for all of them.
type columnKernel struct {
	field, signature string
	strips           []string // names of the matrices
	perColumn        []string // names of the slices with one element for each column
	sums             int      // number of slices, the first of perColumn, that are sums over rows
	rows             int      // number of rows at a time, four or eight

	// row works on a vector of a row. at returns its address in a strip; c holds the
	// vectors of perColumn.
	row func(at func(strip string) Mem, c []reg.VecVirtual, t *tail, stream bool)
}

func (g gen) columnNorms() {
	g.columns(columnKernel{
		field: "ColumnSums", signature: "func(sum, squares, pilot, x []T, rows, stride int)",
		strips: []string{"x"}, perColumn: []string{"sum", "squares", "pilot"}, sums: 2, rows: 8,
		row: func(at func(string) Mem, c []reg.VecVirtual, t *tail, _ bool) {
			v := g.load(at("x"), t)
			g.sub(v, c[2], v)
			g.add(v, c[0], c[0])
			g.fma(v, v, c[1])
		},
	})
	g.columns(columnKernel{
		field: "ColumnNorm", signature: "func(y, x, mean, scale, offset []T, rows, stride int, stream bool)",
		strips: []string{"y", "x"}, perColumn: []string{"mean", "scale", "offset"}, rows: 4,
		row: func(at func(string) Mem, c []reg.VecVirtual, t *tail, stream bool) {
			v := g.load(at("x"), t)
			g.sub(v, c[0], v)
			g.fam(c[1], c[2], v)
			g.put(v, at("y"), t, stream)
		},
	})
	g.columns(columnKernel{
		field: "ColumnGradientSums", signature: "func(dgamma, dbeta, mean, rstd, x, dy []T, rows, stride int)",
		strips: []string{"x", "dy"}, perColumn: []string{"dgamma", "dbeta", "mean", "rstd"}, sums: 2, rows: 4,
		row: func(at func(string) Mem, c []reg.VecVirtual, t *tail, _ bool) {
			v, d := g.load(at("x"), t), g.load(at("dy"), t)
			g.sub(v, c[2], v)
			g.mul(c[3], v, v)
			g.fma(d, v, c[0])
			g.add(d, c[1], c[1])
		},
	})
	g.columns(columnKernel{
		field:     "ColumnNormBackward",
		signature: "func(dx, x, dy, mean, rstd, scale, offset, slope []T, rows, stride int, stream bool)",
		strips:    []string{"dx", "x", "dy"}, perColumn: []string{"mean", "rstd", "scale", "offset", "slope"}, rows: 4,
		row: func(at func(string) Mem, c []reg.VecVirtual, t *tail, stream bool) {
			v, d := g.load(at("x"), t), g.load(at("dy"), t)
			g.sub(v, c[0], v)
			g.mul(c[1], v, v)
			g.fms(c[2], c[3], d)
			g.fnma(v, c[4], d)
			g.put(d, at("dx"), t, stream)
		},
	})
}

// columns writes a kernel.
func (g gen) columns(k columnKernel) {
	g.kernel(k.field, k.signature, func() {
		cols, row := length(k.perColumn[0]), GP64()
		t, s := g.tailOf(cols), newPitch(g.stride("stride"))
		var strips []reg.Register
		for _, name := range k.strips {
			strips = append(strips, ptr(name))
		}
		run := func(max int, t *tail, stream bool) {
			groups(row, address(Param("rows")), max, func(rows int) {
				g.columnSweep(k, cols, t, s, strips, rows, stream)
				s.skip(rows, strips...)
			})
		}
		if k.sums > 0 {
			run(k.rows, t, false)
			return
		}
		// Streaming writes one row at a time, because memory is written fastest in sequence.
		eitherWay(func() { run(1, nil, true) }, func() { run(k.rows, t, false) })
	})
}

// columnSweep writes the loop over the columns of a group of rows, which begin at strips.
func (g gen) columnSweep(
	k columnKernel, cols reg.Register, t *tail, s pitch, strips []reg.Register, rows int, stream bool,
) {
	var pointers []reg.Register
	fours := map[string][]reg.Register{}
	for i, name := range k.strips {
		fours[name] = s.fours(strips[i], rows)
		pointers = append(pointers, fours[name]...)
	}
	running := map[string]reg.Register{}
	for _, name := range k.perColumn {
		running[name] = ptr(name)
		pointers = append(pointers, running[name])
	}
	works := []work{{do: func(t *tail) {
		// The sum of these rows is added to the sum so far, rather than each row.
		c := g.zeros(k.sums)
		for _, name := range k.perColumn[k.sums:] {
			c = append(c, g.load(Mem{Base: running[name]}, t))
		}
		if stream && slices.Contains(k.strips, "dy") {
			// The processor's own prefetching suffices for one sequence, not for two.
			PREFETCHT1(Mem{Base: fours["x"][0], Disp: 2048})
			PREFETCHT1(Mem{Base: fours["dy"][0], Disp: 2048})
		}
		for r := range rows {
			k.row(func(strip string) Mem { return s.row(fours[strip][r/4], r%4) }, c, t, stream)
		}
		for i, name := range k.perColumn[:k.sums] {
			g.add(g.from(Mem{Base: running[name]}, t), c[i], c[i])
			g.store(c[i], Mem{Base: running[name]}, t)
		}
	}, pointers: pointers}}
	if k.sums > 0 && rows > 1 {
		works = append(works, s.askAhead(rows, strips))
	}
	g.sweep(cols, t, works...)
	// There are too few registers for copies of strips, so the pointers move back.
	full := copyOf(cols)
	ANDQ(I32(-g.lanes()), full)
	g.bytes(full)
	for _, p := range strips {
		SUBQ(full, p)
	}
}

// fours returns pointers to every fourth of the rows from p on; p is the first.
func (s pitch) fours(p reg.Register, rows int) []reg.Register {
	each := []reg.Register{p}
	for r := 4; r < rows; r += 4 {
		next := copyOf(each[len(each)-1])
		s.skip(4, next)
		each = append(each, next)
	}
	return each
}

// askAhead returns the work of prefetching as many rows after the current ones.
func (s pitch) askAhead(rows int, strips []reg.Register) (w work) {
	for _, p := range strips {
		ahead := copyOf(p)
		s.skip(rows, ahead)
		w.pointers = append(w.pointers, s.fours(ahead, rows)...)
	}
	w.do = func(*tail) {
		for _, p := range w.pointers {
			for r := range 4 {
				PREFETCHT1(s.row(p, r))
			}
		}
	}
	return w
}

// accumulate writes the kernel that adds elements to sums in float64.
func (g gen) accumulate() {
	g.kernel("Accumulate", "func(sum []float64, x []T)", func() {
		sum, x, n := ptr("sum"), ptr("x"), length("sum")
		d := gen{double: true, wide: g.wide}
		i := GP64()
		XORQ(i, i)
		over := func(step int, body func()) {
			loop, done := label("loop"), label("done")
			next := GP64()
			Label(loop)
			LEAQ(Mem{Base: i, Disp: step}, next)
			CMPQ(next, n)
			JG(LabelRef(done))
			body()
			MOVQ(next, i)
			JMP(LabelRef(loop))
			Label(done)
		}
		for _, vectors := range []int{4, 1} {
			over(vectors*d.lanes(), func() {
				for k := range vectors {
					v, from, to := d.reg(), g.at(x, i).Offset(k*d.lanes()*g.size()), d.at(sum, i).Offset(k*d.width())
					if g.double {
						VMOVUPD(from, v)
					} else {
						VCVTPS2PD(from, v)
					}
					d.add(to, v, v)
					d.store(v, to, nil)
				}
			})
		}
		over(1, func() {
			v := XMM()
			if g.double {
				VMOVSD(g.at(x, i), v)
			} else {
				VXORPS(v, v, v)
				VCVTSS2SD(g.at(x, i), v, v)
			}
			VADDSD(d.at(sum, i), v, v)
			VMOVSD(v, d.at(sum, i))
		})
	})
}
