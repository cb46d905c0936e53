package cpu

import (
	"unsafe"

	"gorgonorm/internal/cpu/simd"
)

// Gemm computes C = alpha·op(A)·op(B) + beta·C for row-major matrices: op(A) is m×k, op(B) is k×n and C
// is m×n. op(A) is the transpose of the stored matrix if transA, and op(B) if transB. lda, ldb and ldc
// are the distances between stored rows. If beta is 0, C is not read; if alpha is 0, A and B are not.
//
// It is the usual layered product (Goto & van de Geijn 2008). B is cut into panels as wide as a tile of C,
// and the sums of a tile are taken in registers, gemmDepth terms at a time, so that a panel and the rows
// of A that it meets stay in the nearest caches. Operands are read in place, except where a copy is
// faster: of B transposed, and of rows whose distance makes them share lines of the cache.
func Gemm[T Float](
	transA, transB bool, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int,
) {
	p := product[T]{
		transA: transA, transB: transB, m: m, n: n, k: k,
		alpha: alpha, a: a, lda: lda, b: b, ldb: ldb, beta: beta, c: c, ldc: ldc,
	}
	p.compute()
}

const (
	gemmDepth  = 256     // terms of a sum that are added in one go
	gemmPacked = 1 << 20 // elements of B in a strip of panels
	gemmAlone  = 1 << 18 // multiplications below which one thread is faster
)

// product holds the arguments of Gemm and a row of n elements that is added to each row of C, unless it
// is nil.
type product[T Float] struct {
	transA, transB bool
	m, n, k        int
	alpha          T
	a              []T
	lda            int
	b              []T
	ldb            int
	beta           T
	c              []T
	ldc            int
	bias           []T
}

func (p *product[T]) compute() {
	if p.m == 0 || p.n == 0 {
		return
	}
	if p.alpha == 0 || p.k == 0 {
		p.scaleC()
		return
	}
	g := borrow[gemm[T]]()
	defer giveBack(g)
	g.kernels = simd.Of[T]()
	g.rsa, g.csa = p.lda, 1
	if p.transA {
		g.rsa, g.csa = 1, p.lda
	}
	g.product = *p
	// The panels of a strip of C's columns stay in the outer caches.
	strip := max(1, gemmPacked/p.k/g.kernels.TileCols) * g.kernels.TileCols
	for j := 0; j < p.n; j += strip {
		g.n, g.c = min(strip, p.n-j), p.c[j:]
		if p.transB {
			g.b = p.b[j*p.ldb:]
		} else {
			g.b = p.b[j:]
		}
		if p.bias != nil {
			g.bias = p.bias[j:]
		}
		g.multiply()
	}
	g.a, g.b, g.c, g.bias = nil, nil, nil, nil
}

// scaleC computes C = beta·C + bias, the product without its sums.
func (p *product[T]) scaleC() {
	kernels := simd.Of[T]()
	for i := range p.m {
		row := p.c[i*p.ldc : i*p.ldc+p.n]
		if p.beta == 0 {
			clear(row)
		} else {
			kernels.Scale(row, row, p.beta)
		}
		if p.bias != nil {
			kernels.Add(row, row, p.bias)
		}
	}
}

// gemm is a strip of a product under way.
type gemm[T Float] struct {
	product[T]
	kernels  *simd.Kernels[T]
	rsa, csa int // distances between rows and between columns of op(A)

	direct       int // panels of B that are read in place
	packed       []T // the other panels, k × TileCols each, the last one padded with zeros
	rows, panels int // of tiles in C
	taskRows     int // rows of tiles in a task
	taskPanels   int // panels in a task
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
	packs, tiles := g.panels-g.direct, g.tasks()
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

// clashes reports whether rows ld elements apart share lines of a cache that places data by its address
// modulo way bytes. The rows of a tile then evict each other. (The callers' numbers were found by
// measurement.)
func clashes[T Float](ld, way int) bool {
	var z T
	return ld%(way/int(unsafe.Sizeof(z))) == 0
}

// split sets the part of C that one task computes: large enough to be worth handing out, small enough for
// threads to end at about the same time.
func (g *gemm[T]) split() {
	g.taskRows, g.taskPanels = min(4, g.rows), min(8, g.panels)
	for g.taskPanels > 4 && g.tasks() < 16 {
		g.taskPanels--
	}
	for g.taskRows > 1 && g.tasks() < 16 {
		g.taskRows--
	}
	for g.taskPanels > 1 && g.tasks() < 16 {
		g.taskPanels--
	}
}

// tasks returns the number of tasks that compute C.
func (g *gemm[T]) tasks() int { return ceilDiv(g.rows, g.taskRows) * ceilDiv(g.panels, g.taskPanels) }

// The two tasks of a product.
type (
	gemmPack[T Float]  gemm[T]
	gemmTiles[T Float] gemm[T]
)

func (g *gemmPack[T]) run(chunk int)  { (*gemm[T])(g).pack(chunk) }
func (g *gemmTiles[T]) run(chunk int) { (*gemm[T])(g).tiles(chunk) }

// pack copies a panel of B that is not read in place.
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

// packRows transposes count rows of B into a panel, by blocks and the remainder by elements.
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

// tiles computes one task's part of C, gemmDepth terms of its sums at a time.
func (g *gemm[T]) tiles(chunk int) {
	across := ceilDiv(g.panels, g.taskPanels)
	p0 := chunk % across * g.taskPanels
	p1 := min(p0+g.taskPanels, g.panels)
	top := chunk / across * g.taskRows * g.kernels.TileRows
	bottom := min(top+g.taskRows*g.kernels.TileRows, g.m)
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

// copies reports whether a task may need scratch.
func (g *gemm[T]) copies() bool {
	return g.m%g.kernels.LowRows > 0 || g.n%g.kernels.TileCols > 0 || g.copiesA()
}

// copiesA reports whether rows of A are read from a copy.
func (g *gemm[T]) copiesA() bool { return g.csa == 1 && clashes[T](g.rsa, 2048) }

// block is a part of an operand, in place or in a copy, with the distances between its rows and columns.
type block[T Float] struct {
	data     []T
	rsa, csa int
}

// block returns columns from, …, from+depth−1 of rows top, …, bottom−1 of op(A).
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

// column adds depth terms, from term from on, to the part of C under one panel of B.
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
		a, b := block[T]{a.data[(i-top)*a.rsa:], a.rsa, a.csa}, block[T]{b, ldb, 1}
		g.edge(s, a, b, g.c[i*g.ldc+j:], min(k.LowRows, bottom-i), min(width, g.n-j), depth, beta)
	}
}

// gemmScratch is one task's memory: a copy of A's rows, the operand of a tile at C's lower edge, and a tile.
type gemmScratch[T Float] struct{ a, edge, c []T }

// edge computes a low tile in scratch, with a copy of the rows and columns that C has, and copies them
// back: so each element is rounded as in a full tile.
func (g *gemm[T]) edge(s *gemmScratch[T], a, b block[T], c []T, rows, cols, depth int, beta T) {
	height, width := g.kernels.LowRows, g.kernels.TileCols
	switch {
	case rows == 1: // repeated as the others
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
	if beta != 0 {
		for i := range rows {
			copy(s.c[i*width:], c[i*g.ldc:i*g.ldc+cols])
		}
	}
	g.kernels.LowTile(depth, a.data, a.rsa, a.csa, b.data, b.rsa, s.c, width, g.alpha, beta)
	for i := range rows {
		copy(c[i*g.ldc:i*g.ldc+cols], s.c[i*width:])
	}
}

func (g *gemm[T]) addBias(top, bottom, left, right int) {
	right = min(right, g.n)
	for i := top; i < min(bottom, g.m); i++ {
		row := g.c[i*g.ldc+left : i*g.ldc+right]
		g.kernels.Add(row, row, g.bias[left:right])
	}
}
