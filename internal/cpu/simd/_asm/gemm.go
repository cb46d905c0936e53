package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// tileRows returns the height of a tile. The sums of tileRows × tileCols elements of C stay
// in registers: 24 of 32 with AVX-512, 12 of 16 with AVX2. The other registers hold a row
// of B, two vectors wide, and an element of A in all lanes.
func (g gen) tileRows() int {
	if g.wide {
		return 12
	}
	return 6
}

// tileCols returns the width of a tile.
func (g gen) tileCols() int { return 2 * g.lanes() }

// lowRows returns the height of the tile for the rows below the last full tile.
func (g gen) lowRows() int { return g.tileRows() / 3 }

func (g gen) gemm() {
	g.tile("Tile", g.tileRows())
	g.tile("LowTile", g.lowRows())
}

func (g gen) tile(field string, height int) {
	g.kernel(field, "func(k int, a []T, rsa, csa int, b []T, ldb int, c []T, ldc int, alpha, beta T)", func() {
		g.prefetchTile(height)
		acc := g.zeros(2 * height)
		k := Load(Param("k"), GP64())
		rows, rsa := g.rowPointers("a", "rsa", height)
		csa, b, ldb := g.stride("csa"), ptr("b"), g.stride("ldb")

		loop, done := label("k"), label("done")
		TESTQ(k, k)
		JZ(LabelRef(done))
		Label(loop)
		b0, b1 := g.load(Mem{Base: b}, nil), g.load(Mem{Base: b, Disp: g.width()}, nil)
		for r := range height {
			a := g.broadcast(rowOf(rows, rsa, r))
			g.fma(b0, a, acc[2*r])
			g.fma(b1, a, acc[2*r+1])
		}
		for _, p := range rows {
			ADDQ(csa, p)
		}
		ADDQ(ldb, b)
		DECQ(k)
		JNZ(LabelRef(loop))
		Label(done)
		g.writeTile(acc)
	})
}

// peakSums is the number of vectors that peak adds to: enough to hide the latency of a
// multiply-add, four cycles or five, on two units.
const peakSums = 12

// peak multiplies and adds in registers alone.
func (g gen) peak() {
	g.kernel("Peak", "func(rounds int)", func() {
		sums, x := g.zeros(peakSums), g.zero()
		rounds, loop := Load(Param("rounds"), GP64()), fmt.Sprintf("rounds%d%s", 8*g.size(), g.isa())
		Label(loop)
		for _, sum := range sums {
			g.fma(x, x, sum)
		}
		DECQ(rounds)
		JNZ(LabelRef(loop))
	})
}

// prefetchTile prefetches the tile's part of C.
func (g gen) prefetchTile(height int) {
	rows, ldc := g.rowPointers("c", "ldc", height)
	for r := range height {
		for at := 0; at < 2*g.width(); at += 64 {
			PREFETCHT0(rowOf(rows, ldc, r).Offset(at))
		}
	}
}

// rowPointers returns pointers to every third row of a matrix, and the stride in bytes.
// Row r is at pointer r/3 plus r mod 3 strides.
func (g gen) rowPointers(matrix, stride string, height int) (rows []reg.GPVirtual, bytes reg.GPVirtual) {
	bytes = g.stride(stride)
	three := GP64()
	LEAQ(Mem{Base: bytes, Index: bytes, Scale: 2}, three)
	for r := 0; r < height; r += 3 {
		p := GP64()
		if r == 0 {
			p = ptr(matrix)
		} else {
			LEAQ(Mem{Base: rows[r/3-1], Index: three, Scale: 1}, p)
		}
		rows = append(rows, p)
	}
	return rows, bytes
}

// rowOf returns the address of row r.
func rowOf(rows []reg.GPVirtual, stride reg.Register, r int) Mem {
	m := Mem{Base: rows[r/3]}
	if r%3 > 0 {
		m.Index, m.Scale = stride, uint8(r%3)
	}
	return m
}

// stride loads a parameter that counts elements and returns it in bytes.
func (g gen) stride(param string) reg.GPVirtual {
	s := Load(Param(param), GP64()).(reg.GPVirtual)
	g.bytes(s)
	return s
}

// bytes turns a number of elements into one of bytes.
func (g gen) bytes(n reg.GPVirtual) {
	shift := U8(2)
	if g.double {
		shift = 3
	}
	SHLQ(shift, n)
}

// writeTile sets C to alpha·acc + beta·C. If beta is zero, C is not read.
func (g gen) writeTile(acc []reg.VecVirtual) {
	rows, ldc := g.rowPointers("c", "ldc", len(acc)/2)
	at := func(i int) Mem {
		return rowOf(rows, ldc, i/2).Offset(i % 2 * g.width())
	}
	alpha, beta := g.scalar("alpha"), g.scalar("beta")
	overwrite, done := label("overwrite"), label("done")
	zero := XMM()
	VXORPS(zero, zero, zero)
	for _, v := range acc {
		g.mul(alpha, v, v)
	}
	if g.double {
		VUCOMISD(beta.AsX(), zero)
	} else {
		VUCOMISS(beta.AsX(), zero)
	}
	// A NaN sets the zero flag too, together with the parity flag.
	JPS(LabelRef("readC" + done))
	JEQ(LabelRef(overwrite))
	Label("readC" + done)
	for i, v := range acc {
		g.fma(at(i), beta, v)
		g.store(v, at(i), nil)
	}
	JMP(LabelRef(done))
	Label(overwrite)
	for i, v := range acc {
		g.store(v, at(i), nil)
	}
	Label(done)
}
