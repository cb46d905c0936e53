package simd

func pure[T Float]() *Kernels[T] {
	return &Kernels[T]{
		Name:       "Go",
		Add:        add[T],
		Scale:      scale[T],
		SumSquares: sumSquares[T],
		Tile:       tile[T],
		TileRows:   tileRows,
		TileCols:   tileCols,

		LayerNorm:          layerNorm[T],
		LayerNormBackward:  layerNormBackward[T],
		RMSNorm:            rmsNorm[T],
		RMSNormBackward:    rmsNormBackward[T],
		ColumnSums:         columnSums[T],
		ColumnNorm:         columnNorm[T],
		ColumnGradientSums: columnGradientSums[T],
		ColumnNormBackward: columnNormBackward[T],
		Accumulate:         accumulate[T],
	}
}

func add[T Float](z, x, y []T) {
	for i := range z {
		z[i] = x[i] + y[i]
	}
}

func scale[T Float](x []T, s T) {
	for i := range x {
		x[i] *= s
	}
}

func sumSquares[T Float](x []T) (s float64) {
	for _, v := range x {
		s += float64(v) * float64(v)
	}
	return s
}

// The pure tile is small enough for the compiler to keep it in registers.
const tileRows, tileCols = 4, 4

func tile[T Float](k int, a []T, rsa, csa int, b []T, ldb int, c []T, ldc int, alpha, beta T) {
	var acc [tileRows][tileCols]T
	for p := range k {
		row := b[p*ldb : p*ldb+tileCols]
		for i := range acc {
			v := a[i*rsa+p*csa]
			for j, w := range row {
				acc[i][j] += v * w
			}
		}
	}
	for i, sums := range acc {
		row := c[i*ldc : i*ldc+tileCols]
		for j, s := range sums {
			s *= alpha
			if beta != 0 {
				s += beta * row[j]
			}
			row[j] = s
		}
	}
}
