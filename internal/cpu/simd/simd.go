// Package simd holds the kernels' inner loops, each in pure Go and, on amd64, in
// assembly for AVX2 with FMA and for AVX-512, chosen when the program starts. The
// build tag purego leaves the assembly out.
//
// These functions know nothing of threads and check no lengths: that is for
// their callers. Every slice has the length that its comment gives or, where it
// gives none, that of the first one; inputs and outputs may be the same slice but
// must not overlap otherwise. The implementations differ in rounding only: in
// the order of a sum and in whether a·b + c is rounded once or twice.
package simd

//go:generate sh -c "cd _asm && go run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg simd && mv tables_amd64.go .."

// Float is the element type of a kernel.
type Float interface{ float32 | float64 }

// Kernels is one implementation of all inner loops.
type Kernels[T Float] struct {
	Name string

	// Add: z = x + y.
	Add func(z, x, y []T)
	// Scale: x = s·x.
	Scale func(x []T, s T)
	// SumSquares is Σx², taken in float64.
	SumSquares func(x []T) float64

	// Tile is the inner loop of a matrix product, over a block of C of TileRows ×
	// TileCols elements, with rows ldc apart:
	//
	//	C = alpha·A·B + beta·C
	//
	// Element (i, p) of A is at a[i·rsa + p·csa], row p of B at b[p·ldb]. Where beta
	// is 0, C is not read. LowTile is the same for LowRows × TileCols.
	Tile, LowTile               func(k int, a []T, rsa, csa int, b []T, ldb int, c []T, ldc int, alpha, beta T)
	TileRows, LowRows, TileCols int

	// Transpose: dst[j·ldd + i] = src[i·lds + j] for i < Lanes and j < n, a multiple
	// of Lanes.
	Transpose func(dst []T, ldd int, src []T, lds int, n int)
	Lanes     int
}

// Of gives the fastest implementation that the machine can run.
func Of[T Float]() *Kernels[T] {
	var k any = best32
	var z T
	if _, double := any(z).(float64); double {
		k = best64
	}
	return k.(*Kernels[T])
}

var (
	best32 = last(all32)
	best64 = last(all64)
)

func last[E any](s []E) E { return s[len(s)-1] }
