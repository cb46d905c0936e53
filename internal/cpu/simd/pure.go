package simd

import (
	"math"
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

		LayerNorm:             layerNorm[T],
		LayerNormBackward:     layerNormBackward[T],
		RMSNorm:               rmsNorm[T],
		RMSNormBackward:       rmsNormBackward[T],
		LayerNormOfSum:        layerNormOfSum[T],
		RMSNormOfSum:          rmsNormOfSum[T],
		LayerNormBackwardPlus: layerNormBackwardPlus[T],
		RMSNormBackwardPlus:   rmsNormBackwardPlus[T],
		DyT:                   dyT[T],
		DyTBackward:           dyTBackward[T],
		Derf:                  derf[T],
		DerfBackward:          derfBackward[T],
		ColumnSums:            columnSums[T],
		ColumnNorm:            columnNorm[T],
		ColumnGradientSums:    columnGradientSums[T],
		ColumnNormBackward:    columnNormBackward[T],
		Accumulate:            accumulate[T],
		AdamW:                 adamW[T],
		Max:                   maximum[T],
		ExpSum:                expSum[T],
		Softmax:               softmax[T],
		SoftmaxBackward:       softmaxBackward[T],
		GELU:                  gelu[T],
		GELUBackward:          geluBackward[T],
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

func sumSquares[T Float](x []T) float64 { return dot(x, x) }

const tileRows, tileCols = 4, 16

func tile[T Float](k int, a []T, rsa, csa int, b []T, ldb int, c []T, ldc int, alpha, beta T) {
	var sums [tileRows][tileCols]T
	for p := range k {
		row := b[p*ldb : p*ldb+tileCols]
		for i := range sums {
			addProducts(sums[i][:], row, a[i*rsa+p*csa])
		}
	}
	for i := range sums {
		row := c[i*ldc : i*ldc+tileCols]
		for j, s := range sums[i] {
			s *= alpha
			if beta != 0 {
				s = fma(beta, row[j], s)
			}
			row[j] = s
		}
	}
}

const peakTerms = 16

// peaked keeps the compiler from removing the work.
var peaked atomic.Bool

func peak[T Float](rounds int) {
	var sums, x [peakTerms]T
	for i := range x {
		x[i] = 1 // sums of zeros take longer
	}
	for range rounds {
		addProducts(sums[:], x[:], 1)
	}
	peaked.Store(sums[0] > 0)
}

const lanes = 4

func transpose[T Float](dst []T, ldd int, src []T, lds int, n int) {
	for i := range lanes {
		for j, v := range src[i*lds : i*lds+n] {
			dst[j*ldd+i] = v
		}
	}
}

func adamW[T Float](w, m, v, g []T, beta1, rest1, beta2, rest2, keep, lr, bias2, eps T) {
	for i, d := range g {
		m[i] = fma(m[i], beta1, rest1*d)
		v[i] = fma(v[i], beta2, rest2*d*d)
		w[i] = T(keep*w[i]) - lr*m[i]/(T(math.Sqrt(float64(v[i])))/bias2+eps)
	}
}
