//go:build !amd64 || purego

package simd

var (
	all32 = []*Kernels[float32]{pure[float32]()}
	all64 = []*Kernels[float64]{pure[float64]()}
)
