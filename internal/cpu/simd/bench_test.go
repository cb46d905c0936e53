package simd

import (
	"fmt"
	"testing"
	"unsafe"
)

// BenchmarkKernels compares the implementations on rows that stay in the nearest cache. It counts the bytes of x.
func BenchmarkKernels(b *testing.B) {
	benchmark(b, all32)
	benchmark(b, all64)
}

func benchmark[T Float](b *testing.B, all []*Kernels[T]) {
	const rows, cols = 8, 256
	a := newArena[T](1)
	normal := fills[0]
	x, y := a.make(rows*cols, normal), a.make(rows*cols, normal)
	z, w := a.make(rows*cols, normal), a.make(rows*cols, normal)
	gamma, beta, dgamma, dbeta := a.make(cols, normal), a.make(cols, normal), a.make(cols, normal), a.make(cols, normal)
	mean, shift, rstd := a.make(rows, normal), a.make(rows, normal), a.make(rows, normal)
	for _, k := range all {
		run := func(name string, elements int, f func()) {
			b.Run(fmt.Sprintf("%s/%T/%s", name, x[0], k.Name), func(b *testing.B) {
				b.SetBytes(int64(elements) * int64(unsafe.Sizeof(x[0])))
				for b.Loop() {
					f()
				}
			})
		}
		b.Run(fmt.Sprintf("Tile/%T/%s", x[0], k.Name), func(b *testing.B) {
			const depth = 64
			for b.Loop() {
				k.Tile(depth, x, 1, k.TileRows, y, k.TileCols, z, k.TileCols, 1, 0)
			}
			work := 2 * depth * k.TileRows * k.TileCols * b.N
			b.ReportMetric(float64(work)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
		})
		run("LayerNorm", rows*cols, func() { k.LayerNorm(y, x, gamma, beta, mean, shift, rstd, eps, false) })
		run("LayerNormBackward", rows*cols, func() {
			k.LayerNormBackward(z, x, y, gamma, mean, shift, rstd, dgamma, dbeta, false)
		})
		run("ColumnNorm", rows*cols, func() { k.ColumnNorm(y, x, gamma, beta, dgamma, rows, cols, false) })
		run("Softmax", cols, func() { k.Softmax(y[:cols], x[:cols]) })
		run("GELU", rows*cols, func() { k.GELU(y, z, x) })
		run("AdamW", rows*cols, func() { k.AdamW(w, y, z, x, 0.9, 0.1, 0.99, 0.01, 1, 1e-9, 0.3, 1e-8) })
		run("Add", rows*cols, func() { k.Add(z, x, y) })
	}
}
