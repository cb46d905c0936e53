package cpu

import (
	"unsafe"

	"gorgonorm/internal/cpu/simd"
)

// Gemm computes C = alpha·op(A)·op(B) + beta·C for row-major matrices, where
// op(A) is m×k, op(B) is k×n and C is m×n; transA and transB say that the
// slice holds the transpose. lda, ldb and ldc are the distances between rows.
// Where beta is 0, C is not read; where alpha is 0, A and B are not.
//
// It is the usual layered product (Goto & van de Geijn 2008): B is cut into panels
// as wide as a tile of C, over which the tile's sums are taken in registers; a
// depth of gemmDepth keeps a panel and the rows of A that meet it in the nearest
// caches. Operands are read where they stand, or from a copy where they stand
// badly: B transposed, or rows so far apart that they share lines of the cache.
func Gemm[T Float](transA, transB bool, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int) {
	GemmBias(transA, transB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, nil)
}

// GemmBias is Gemm with a row of n elements added to each row of C, unless it is
// nil.
func GemmBias[T Float](transA, transB bool, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int, bias []T) {
	if m == 0 || n == 0 {
		return
	}
	if alpha == 0 || k == 0 {
		scaleRows(beta, c, ldc, m, n, bias)
		return
	}
	g := borrow[gemm[T]]()
	defer giveBack(g)
	g.kernels = simd.Of[T]()
	g.m, g.k, g.alpha, g.beta, g.bias = m, k, alpha, beta, bias
	g.a, g.rsa, g.csa = a, lda, 1
	if transA {
		g.rsa, g.csa = 1, lda
	}
	g.transB, g.ldb, g.ldc = transB, ldb, ldc

	// Strips of C's columns, so that the panels of one stay in the outer caches.
	strip := max(1, gemmPacked/k/g.kernels.TileCols) * g.kernels.TileCols
	for j := 0; j < n; j += strip {
		g.n = min(strip, n-j)
		g.c = c[j:]
		if bias != nil {
			g.bias = bias[j:]
		}
		if transB {
			g.b = b[j*ldb:]
		} else {
			g.b = b[j:]
		}
		g.multiply()
	}
	g.a, g.b, g.c, g.bias = nil, nil, nil, nil
}

const (
	gemmDepth  = 256     // of a panel at a time
	gemmPacked = 1 << 20 // elements of B in a strip of panels
	gemmAlone  = 1 << 18 // multiplications below which one thread is faster
)

// gemm is one product under way.
type gemm[T Float] struct {
	kernels  *simd.Kernels[T]
	m, n, k  int
	alpha    T
	a        []T
	rsa, csa int // between rows and between columns of op(A)
	b        []T
	transB   bool
	ldb      int
	beta     T
	c        []T
	ldc      int
	bias     []T

	direct       int // panels of B that are read where they stand
	packed       []T // the others, k × TileCols each, the last filled up with zeros
	rows, panels int // of tiles in C
	rowsAt       int // rows of tiles that one task takes
	panelsAt     int // and panels
}

func (g *gemm[T]) multiply() {
	g.rows = ceilDiv(g.m, g.kernels.TileRows)
	g.panels = ceilDiv(g.n, g.kernels.TileCols)
	g.direct = 0
	if !g.transB && g.k*g.n <= gemmPacked/2 && !clashes[T](g.ldb, 4096) {
		g.direct = g.n / g.kernels.TileCols
	}
	g.packed = Grow(g.packed, (g.panels-g.direct)*g.kernels.TileCols*g.k)
	g.split()
	packs, tiles := g.panels-g.direct, ceilDiv(g.rows, g.rowsAt)*ceilDiv(g.panels, g.panelsAt)
	if float64(g.m)*float64(g.n)*float64(g.k) < gemmAlone {
		for c := range packs {
			g.pack(c)
		}
		for c := range tiles {
			g.tiles(c)
		}
		return
	}
	parallel((*gemmPack[T])(g), packs)
	parallel((*gemmTiles[T])(g), tiles)
}

// clashes says that rows ld elements apart share lines of a cache that places
// data by its address modulo way bytes: a tile's rows and columns then drive each
// other out. (The numbers were found by measurement.)
func clashes[T Float](ld, way int) bool {
	var z T
	return ld%(way/int(unsafe.Sizeof(z))) == 0
}

// split sets the part of C that one task computes: large enough that a task is
// worth handing out, small enough that threads end at about the same time.
func (g *gemm[T]) split() {
	g.rowsAt, g.panelsAt = min(4, g.rows), min(4, g.panels)
	for g.rowsAt > 1 && ceilDiv(g.rows, g.rowsAt)*ceilDiv(g.panels, g.panelsAt) < 16 {
		g.rowsAt--
	}
	for g.panelsAt > 1 && ceilDiv(g.rows, g.rowsAt)*ceilDiv(g.panels, g.panelsAt) < 16 {
		g.panelsAt--
	}
}

// The two tasks of a product.
type (
	gemmPack[T Float]  gemm[T]
	gemmTiles[T Float] gemm[T]
)

func (g *gemmPack[T]) run(chunk int)  { (*gemm[T])(g).pack(chunk) }
func (g *gemmTiles[T]) run(chunk int) { (*gemm[T])(g).tiles(chunk) }

// pack copies a panel of B that is not read where it stands.
func (g *gemm[T]) pack(index int) {
	width := g.kernels.TileCols
	dst := g.packed[index*width*g.k : (index+1)*width*g.k]
	j := (g.direct + index) * width
	cols := min(width, g.n-j)
	if cols < width {
		clear(dst)
	}
	if !g.transB {
		for p := range g.k {
			copy(dst[p*width:p*width+cols], g.b[p*g.ldb+j:])
		}
		return
	}
	for i := 0; i < cols; i += g.kernels.Lanes {
		g.packRows(dst[i:], g.b[(j+i)*g.ldb:], min(g.kernels.Lanes, cols-i))
	}
}

// packRows transposes rows of B into a panel: by blocks, and the rest one at a
// time.
func (g *gemm[T]) packRows(dst, rows []T, count int) {
	width, done := g.kernels.TileCols, 0
	if count == g.kernels.Lanes {
		done = g.k / count * count
		g.kernels.Transpose(dst, width, rows, g.ldb, done)
	}
	for i := range count {
		for p, v := range rows[i*g.ldb+done : i*g.ldb+g.k] {
			dst[(done+p)*width+i] = v
		}
	}
}

// tiles computes one task's part of C, a stretch of k after another.
func (g *gemm[T]) tiles(chunk int) {
	across := ceilDiv(g.panels, g.panelsAt)
	p0 := chunk % across * g.panelsAt
	p1 := min(p0+g.panelsAt, g.panels)
	top := chunk / across * g.rowsAt * g.kernels.TileRows
	bottom := min(top+g.rowsAt*g.kernels.TileRows, g.m)
	var s *gemmScratch[T]
	if g.copies() {
		s = borrow[gemmScratch[T]]()
		defer giveBack(s)
	}
	beta := g.beta
	for from := 0; from < g.k; from += gemmDepth {
		depth := min(gemmDepth, g.k-from)
		a := g.block(s, top, bottom, from, depth)
		for p := p0; p < p1; p++ {
			g.column(s, a, p, top, bottom, from, depth, beta)
		}
		beta = 1
	}
	if g.bias != nil {
		g.addBias(top, bottom, p0*g.kernels.TileCols, p1*g.kernels.TileCols)
	}
}

// copies says that a task may need scratch.
func (g *gemm[T]) copies() bool {
	return g.m%g.kernels.LowRows > 0 || g.n%g.kernels.TileCols > 0 || g.copiesA()
}

func (g *gemm[T]) copiesA() bool { return g.csa == 1 && clashes[T](g.rsa, 2048) }

// block is rows of A, where they stand or, if those would fall on each other in
// the cache, in a copy.
type block[T Float] struct {
	data     []T
	rsa, csa int
}

func (g *gemm[T]) block(s *gemmScratch[T], top, bottom, from, depth int) block[T] {
	a := block[T]{g.a[top*g.rsa+from*g.csa:], g.rsa, g.csa}
	if !g.copiesA() {
		return a
	}
	ld := depth + 16
	s.a = Grow(s.a, (bottom-top)*ld)
	for i := range bottom - top {
		copy(s.a[i*ld:i*ld+depth], a.data[i*g.rsa:])
	}
	return block[T]{s.a, ld, 1}
}

// column computes the part of C under one panel of B, over a stretch of k.
func (g *gemm[T]) column(s *gemmScratch[T], a block[T], panel, top, bottom, from, depth int, beta T) {
	k, width := g.kernels, g.kernels.TileCols
	j := panel * width
	b, ldb := g.b, g.ldb
	if panel < g.direct {
		b = b[from*ldb+j:]
	} else {
		b, ldb = g.packed[((panel-g.direct)*g.k+from)*width:], width
	}
	i := top
	if j+width <= g.n {
		for ; i+k.TileRows <= bottom; i += k.TileRows {
			k.Tile(depth, a.data[(i-top)*a.rsa:], a.rsa, a.csa, b, ldb, g.c[i*g.ldc+j:], g.ldc, g.alpha, beta)
		}
		for ; i+k.LowRows <= bottom; i += k.LowRows {
			k.LowTile(depth, a.data[(i-top)*a.rsa:], a.rsa, a.csa, b, ldb, g.c[i*g.ldc+j:], g.ldc, g.alpha, beta)
		}
	}
	for ; i < bottom; i += k.LowRows {
		a := block[T]{a.data[(i-top)*a.rsa:], a.rsa, a.csa}
		g.edge(s, a, b, ldb, g.c[i*g.ldc+j:], min(k.LowRows, bottom-i), min(width, g.n-j), depth, beta)
	}
}

// gemmScratch is what one task needs beside the operands.
type gemmScratch[T Float] struct{ a, edge, c []T }

// edge computes a low tile beside C and copies the part that C has.
func (g *gemm[T]) edge(s *gemmScratch[T], a block[T], b []T, ldb int, c []T, rows, cols, depth int, beta T) {
	height, width := g.kernels.LowRows, g.kernels.TileCols
	switch {
	case rows == 1: // stands for the others too
		a.rsa = 0
	case rows < height:
		s.edge = Grow(s.edge, height*depth)
		clear(s.edge)
		for p := range depth {
			for i := range rows {
				s.edge[p*height+i] = a.data[i*a.rsa+p*a.csa]
			}
		}
		a = block[T]{s.edge, 1, height}
	}
	s.c = Grow(s.c, height*width)
	g.kernels.LowTile(depth, a.data, a.rsa, a.csa, b, ldb, s.c, width, g.alpha, 0)
	for i := range rows {
		row, sums := c[i*g.ldc:i*g.ldc+cols], s.c[i*width:]
		for j, v := range row {
			if beta == 0 {
				row[j] = sums[j]
			} else {
				row[j] = sums[j] + beta*v
			}
		}
	}
}

func (g *gemm[T]) addBias(top, bottom, left, right int) {
	right = min(right, g.n)
	for i := top; i < min(bottom, g.m); i++ {
		row := g.c[i*g.ldc+left : i*g.ldc+right]
		g.kernels.Add(row, row, g.bias[left:right])
	}
}

// scaleRows is what is left of a product whose sums are empty: C = beta·C + bias.
func scaleRows[T Float](beta T, c []T, ldc, m, n int, bias []T) {
	kernels := simd.Of[T]()
	for i := range m {
		row := c[i*ldc : i*ldc+n]
		if beta == 0 {
			clear(row)
		} else {
			kernels.Scale(row, row, beta)
		}
		if bias != nil {
			kernels.Add(row, row, bias)
		}
	}
}
