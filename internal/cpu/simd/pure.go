package simd

import (
	"slices"
	"sync/atomic"
)

func pure[T Float]() *Kernels[T] {
	return &Kernels[T]{
		Name:       "purego",
		Add:        add[T],
		Scale:      scale[T],
		SumSquares: sumSquares[T],
		Tile:       tile[T],
		LowTile:    tile[T],
		TileRows:   tileRows,
		LowRows:    tileRows,
		TileCols:   tileCols,
		Peak:       peak[T],
		PeakTerms:  peakTerms,
		Transpose:  transpose[T],
		Lanes:      lanes,

		LayerNorm:          layerNorm[T],
		LayerNormBackward:  layerNormBackward[T],
		RMSNorm:            rmsNorm[T],
		RMSNormBackward:    rmsNormBackward[T],
		DyT:                dyT[T],
		DyTBackward:        dyTBackward[T],
		Derf:               derf[T],
		DerfBackward:       derfBackward[T],
		ColumnSums:         columnSums[T],
		ColumnNorm:         columnNorm[T],
		ColumnGradientSums: columnGradientSums[T],
		ColumnNormBackward: columnNormBackward[T],
		Accumulate:         accumulate[T],
		AdamW:              adamW[T],
		Max:                maximum[T],
		ExpSum:             expSum[T],
		Softmax:            softmax[T],
		SoftmaxBackward:    softmaxBackward[T],
		GELU:               gelu[T],
		GELUBackward:       geluBackward[T],
	}
}

func add[T Float](z, x, y []T) {
	for i := range z {
		z[i] = x[i] + y[i]
	}
}

func scale[T Float](z, x []T, s T) {
	for i, v := range x {
		z[i] = s * v
	}
}

func sumSquares[T Float](x []T) (sum float64) {
	for block := range slices.Chunk(x, blockCols) {
		var s float64
		for _, v := range block {
			s += float64(float64(v) * float64(v))
		}
		sum += s
	}
	return sum
}

// The pure tile holds its sums in variables, because the compiler keeps these in registers,
// but not the elements of an array.
const tileRows, tileCols = 2, 4

func tile[T Float](k int, a []T, rsa, csa int, b []T, ldb int, c []T, ldc int, alpha, beta T) {
	var s00, s01, s02, s03, s10, s11, s12, s13 T
	for p := range k {
		row := b[p*ldb : p*ldb+tileCols : p*ldb+tileCols]
		b0, b1, b2, b3 := row[0], row[1], row[2], row[3]
		a0, a1 := a[p*csa], a[rsa+p*csa]
		s00 += T(a0 * b0)
		s01 += T(a0 * b1)
		s02 += T(a0 * b2)
		s03 += T(a0 * b3)
		s10 += T(a1 * b0)
		s11 += T(a1 * b1)
		s12 += T(a1 * b2)
		s13 += T(a1 * b3)
	}
	writeRow(c[:tileCols], s00, s01, s02, s03, alpha, beta)
	writeRow(c[ldc:ldc+tileCols], s10, s11, s12, s13, alpha, beta)
}

func writeRow[T Float](c []T, s0, s1, s2, s3, alpha, beta T) {
	for j, s := range [tileCols]T{s0, s1, s2, s3} {
		s = T(s * alpha)
		if beta != 0 {
			s += T(beta * c[j])
		}
		c[j] = s
	}
}

const peakTerms = 8

// peaked keeps the compiler from removing the work.
var peaked atomic.Bool

func peak[T Float](rounds int) {
	var s0, s1, s2, s3, s4, s5, s6, s7 T
	x := T(rounds)
	for range rounds {
		s0 += T(x * x)
		s1 += T(x * x)
		s2 += T(x * x)
		s3 += T(x * x)
		s4 += T(x * x)
		s5 += T(x * x)
		s6 += T(x * x)
		s7 += T(x * x)
	}
	peaked.Store(s0+s1+s2+s3+s4+s5+s6+s7 > 0)
}

const lanes = 4

func transpose[T Float](dst []T, ldd int, src []T, lds int, n int) {
	for i := range lanes {
		for j, v := range src[i*lds : i*lds+n] {
			dst[j*ldd+i] = v
		}
	}
}
