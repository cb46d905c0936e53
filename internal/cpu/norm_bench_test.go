package cpu

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
)

// The bytes of all these benchmarks are those of one tensor, as BenchmarkCopy's.
func BenchmarkLayerNorm(b *testing.B) { benchmarkNorm(b, "LayerNorm") }
func BenchmarkRMSNorm(b *testing.B)   { benchmarkNorm(b, "RMSNorm") }
func BenchmarkBatchNorm(b *testing.B) { benchmarkNorm(b, "BatchNorm") }
func BenchmarkDyT(b *testing.B)       { benchmarkNorm(b, "DyT") }
func BenchmarkDerf(b *testing.B)      { benchmarkNorm(b, "Derf") }

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

// BenchmarkBatchNormOfImages has the features first, from large images to small ones.
func BenchmarkBatchNormOfImages(b *testing.B) {
	for _, shape := range [][3]int{
		{32, 64, 56 * 56}, {32, 256, 14 * 14}, {32, 512, 7 * 7}, {32, 512, 2 * 2}, {1, 64, 128 * 128}, {1, 512, 7 * 7},
	} {
		p := newBatchProblem[float32](shape, 0, 1)
		n, r := p.norm(1e-5), newBatchResults[float32](len(p.x), p.features)
		for _, pass := range []struct {
			name string
			run  func()
		}{
			{"forward", func() { n.Forward(r.y, p.x, p.gamma, p.beta) }},
			{"backward", func() { n.Backward(r.dx, r.dgamma, r.dbeta, p.x, p.gamma, p.dy) }},
		} {
			name := fmt.Sprintf("outer=%d/features=%d/inner=%d/%s", p.outer, p.features, p.inner, pass.name)
			b.Run(name, func(b *testing.B) {
				b.SetBytes(4 * int64(len(p.x)))
				n.Forward(r.y, p.x, p.gamma, p.beta)
				for b.Loop() {
					pass.run()
				}
			})
		}
	}
}

// BenchmarkGroupNorm has rows, images with features last and first, and InstanceNorm's groups of
// one feature.
func BenchmarkGroupNorm(b *testing.B) {
	for _, shape := range []GroupShape{
		{2048, 1, 256, 1, 8}, {32, 56 * 56, 64, 1, 8}, {32, 7 * 7, 512, 1, 32},
		{32, 1, 64, 56 * 56, 8}, {32, 1, 512, 7 * 7, 32}, {1, 1, 512, 32 * 32, 32}, {32, 1, 64, 56 * 56, 64},
	} {
		p := newGroupProblem[float32](shape, 0, 1)
		n, r := p.norm(1e-5), p.runner(1e-5)()
		forward := func() { n.Forward(r.y, p.x, p.gamma, p.beta) }
		backward := func() { n.Backward(r.dx, r.dgamma, r.dbeta, p.x, p.gamma, p.dy) }
		for _, pass := range []struct {
			name string
			run  func()
		}{{"forward", forward}, {"backward", backward}} {
			name := fmt.Sprintf("samples=%d/outer=%d/features=%d/inner=%d/groups=%d/%s",
				p.Samples, p.Outer, p.Features, p.Inner, p.Groups, pass.name)
			b.Run(name, func(b *testing.B) {
				b.SetBytes(4 * int64(len(p.x)))
				forward()
				for b.Loop() {
					pass.run()
				}
			})
		}
	}
}

// BenchmarkCopy copies in one part a thread.
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
