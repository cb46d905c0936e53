// Package cpu holds the numeric kernels: plain functions on slices, in float32
// and float64, that know nothing of graphs.
//
// Matrices are row-major with features last. A kernel's rows and cols describe
// every slice it gets; a nil gamma stands for ones and a nil beta for zeros.
// Gradients are called d<name> and are overwritten, never accumulated, unless
// the name says otherwise. Slices that are too short are a caller's bug and
// panic.
//
// Statistics, and sums over rows that are not matrix products, are taken in
// float64 for both element types.
package cpu

// Float is the element type of every kernel.
type Float interface{ float32 | float64 }
