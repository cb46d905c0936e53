package cpu

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

// Bytes are those of one tensor, beside copy's.
func BenchmarkLayerNorm(b *testing.B) { benchmarkNorm(b, "LayerNorm") }
func BenchmarkRMSNorm(b *testing.B)   { benchmarkNorm(b, "RMSNorm") }
func BenchmarkBatchNorm(b *testing.B) { benchmarkNorm(b, "BatchNorm") }

var benchmarkSizes = [][2]int{{768, 128}, {2048, 256}, {8192, 768}, {32768, 1024}}

func benchmarkNorm(b *testing.B, norm string) {
	for _, size := range benchmarkSizes {
		p := newNormProblem(size[0], size[1], 1, (*rand.Rand).NormFloat64)
		forward, backward := p.passes(norm, 1e-5)
		for _, pass := range []struct {
			name string
			run  func()
		}{{"forward", forward}, {"backward", func() { backward() }}} {
			b.Run(fmt.Sprintf("rows=%d/cols=%d/%s", p.rows, p.cols, pass.name), func(b *testing.B) {
				b.SetBytes(4 * int64(len(p.x)))
				forward()
				pass.run()
				for b.Loop() {
					pass.run()
				}
			})
		}
	}
}

// BenchmarkCopy copies in as many parts as there are threads.
func BenchmarkCopy(b *testing.B) {
	for _, size := range benchmarkSizes {
		x, y := make([]float32, size[0]*size[1]), make([]float32, size[0]*size[1])
		b.Run(fmt.Sprintf("rows=%d/cols=%d", size[0], size[1]), func(b *testing.B) {
			b.SetBytes(4 * int64(len(x)))
			parts := runtime.GOMAXPROCS(0)
			copyPart := func(i int) {
				from, to := i*len(x)/parts, (i+1)*len(x)/parts
				copy(y[from:to], x[from:to])
			}
			for b.Loop() {
				var wg sync.WaitGroup
				for i := 1; i < parts; i++ {
					wg.Go(func() { copyPart(i) })
				}
				copyPart(0)
				wg.Wait()
			}
		})
	}
}
