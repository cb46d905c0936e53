//go:build !purego

package simd

import "golang.org/x/sys/cpu"

// all32 and all64 are the implementations that this machine can run, slowest first.
var (
	all32 = available(pure[float32](), float32AVX2, float32AVX512)
	all64 = available(pure[float64](), float64AVX2, float64AVX512)
)

func available[T Float](pure, avx2, avx512 *Kernels[T]) []*Kernels[T] {
	all := []*Kernels[T]{pure}
	x := cpu.X86
	if x.HasAVX2 && x.HasFMA && x.HasBMI2 {
		all = append(all, avx2)
		if x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512VL {
			all = append(all, avx512)
		}
	}
	return all
}
