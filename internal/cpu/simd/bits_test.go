package simd

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// results runs each kernel that computes more than one rounding, and returns what it writes.
func results[T Float](k *Kernels[T], f fill, rows, cols int) map[string][]T {
	a := newArena[T](uint64(1000*rows + cols))
	n := rows * cols
	x, y, dy := a.make(n, f), a.make(n, fills[0]), a.make(n, fills[0])
	gamma, beta := a.make(cols, fills[0]), a.make(cols, f)
	per := func(n int) []T { return make([]T, n) }
	given := per(rows) // statistics that do not come from the kernels
	for r := range given {
		given[r] = 1 + T(r)/7
	}
	all := make(map[string][]T)
	add := func(name string, outputs ...[]T) {
		for _, o := range outputs {
			all[name] = append(all[name], o...)
		}
	}
	out, dx, mean, shift, rstd := aligned[T](n), aligned[T](n), per(rows), per(rows), per(rows)
	dgamma, dbeta := per(cols), per(cols)

	add("SumSquares", []T{T(k.SumSquares(x))})
	for _, stream := range []bool{false, true} {
		if stream && cols%16 != 0 {
			continue // its rows must be whole cache lines
		}
		k.LayerNorm(out, x, gamma, beta, mean, shift, rstd, 1e-5, stream)
		add("LayerNorm", out, mean, shift, rstd)
		k.LayerNormBackward(dx, x, dy, gamma, given, given, given, dgamma, dbeta, stream)
		add("LayerNormBackward", dx, dgamma, dbeta)
		k.RMSNorm(out, x, gamma, rstd, 1e-5, stream)
		add("RMSNorm", out, rstd)
		k.RMSNormBackward(dx, x, dy, gamma, given, dgamma, stream)
		add("RMSNormBackward", dx, dgamma)
		k.LayerNormOfSum(out, dx, x, y, gamma, beta, mean, shift, rstd, 1e-5, stream)
		add("LayerNormOfSum", out, dx, mean, shift, rstd)
		k.LayerNormBackwardPlus(dx, x, dy, y, gamma, given, given, given, dgamma, dbeta, stream)
		add("LayerNormBackwardPlus", dx, dgamma, dbeta)
		k.RMSNormOfSum(out, dx, x, y, gamma, rstd, 1e-5, stream)
		add("RMSNormOfSum", out, dx, rstd)
		k.RMSNormBackwardPlus(dx, x, dy, y, gamma, given, dgamma, stream)
		add("RMSNormBackwardPlus", dx, dgamma)
	}
	k.DyT(out, x, gamma, beta, 0.7, rows)
	dalpha := k.DyTBackward(dx, x, dy, gamma, dgamma, dbeta, 0.7, rows)
	add("DyT", out, dx, dgamma, dbeta, []T{T(dalpha), T(dalpha - float64(T(dalpha)))})
	k.Derf(out, dx, x, gamma, beta, 0.7, 0.1, rows)
	add("Derf", out, dx)
	dalpha, dshift := k.DerfBackward(dx, x, y, dy, gamma, dgamma, dbeta, 0.7, 0.1, rows)
	add("DerfBackward", dx, dgamma, dbeta, []T{T(dalpha), T(dalpha - float64(T(dalpha))), T(dshift)})
	k.ColumnSums(dgamma, dbeta, gamma, x, rows, cols)
	add("ColumnSums", dgamma, dbeta)
	k.ColumnNorm(out, x, gamma, beta, gamma, rows, cols, false)
	add("ColumnNorm", out)
	k.ColumnGradientSums(dgamma, dbeta, gamma, beta, x, dy, rows, cols)
	add("ColumnGradientSums", dgamma, dbeta)
	k.ColumnNormBackward(dx, x, dy, gamma, beta, gamma, beta, gamma, rows, cols, false)
	add("ColumnNormBackward", dx)
	v := per(n)
	for i, d := range dy {
		v[i] = T(math.Abs(float64(d)))
	}
	k.AdamW(out, dx, v, dy, 0.9, 0.1, 0.99, 0.01, 0.999, 0.01, 0.3, 1e-8)
	add("AdamW", out, dx, v)
	top, sum := k.Softmax(out, x)
	add("Softmax", out, []T{top, sum, k.ExpSum(dx, x, top)}, dx)
	dp := append(per(0), dy...)
	k.SoftmaxBackward(dp, y)
	add("SoftmaxBackward", dp)
	k.GELU(out, dx, x)
	add("GELU", out, dx)
	k.GELUBackward(out, x, dx, dy)
	add("GELUBackward", out)
	return all
}

// TestAllKernelsComputeTheSameBits compares each implementation with the one in Go.
func TestAllKernelsComputeTheSameBits(t *testing.T) {
	t.Parallel()
	eachPair(t, sameBits[float32], sameBits[float64])
}

func sameBits[T Float](t *testing.T, k, twin *Kernels[T]) {
	for _, f := range fills {
		for _, rows := range []int{1, 2, 3, 4, 5, 17} {
			widths, step := []int{16, 64, 96, 512, 768, 1024, 1040}, 9
			if testing.Short() {
				step = 2
			}
			for cols := 1; cols <= 1300; cols += 1 + cols/step {
				widths = append(widths, cols)
			}
			for _, cols := range widths {
				got, want := results(k, f, rows, cols), results(twin, f, rows, cols)
				for name, w := range want {
					requireNear(t, fmt.Sprintf("%s, %s, %d×%d", name, f.name, rows, cols), w, got[name], exactly)
				}
			}
		}
	}
	for _, depth := range []int{1, 7, 64} {
		const m, n = 12, 32 // a tile of one is several tiles of the other
		for _, beta := range []T{0, -0.5} {
			f := newArena[T](uint64(depth))
			A, B, C := f.make(m*depth, fills[0]), f.make(depth*n, fills[0]), f.make(m*n, fills[0])
			product := func(k *Kernels[T], tile func(int, []T, int, int, []T, int, []T, int, T, T), rows int) []T {
				c := append([]T{}, C...)
				for i := 0; i < m; i += rows {
					for j := 0; j < n; j += k.TileCols {
						tile(depth, A[i*depth:], depth, 1, B[j:], n, c[i*n+j:], n, 1.25, beta)
					}
				}
				return c
			}
			want := product(twin, twin.Tile, twin.TileRows)
			require.Equal(t, want, product(k, k.Tile, k.TileRows), "product of depth %d", depth)
			require.Equal(t, want, product(k, k.LowTile, k.LowRows), "product of depth %d by low tiles", depth)
		}
	}
}
