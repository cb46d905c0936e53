// Package cpu holds the numeric kernels in float32 and float64. They work on slices and do not
// depend on Gorgonia.
//
// A kernel without state is a function. A kernel whose backward pass needs something of its forward
// pass is an object with the methods Forward and Backward, which owns that memory. Backward belongs
// to the last Forward and must get the same inputs. An object serves one caller at a time, and keeps
// no slice of the caller's after a pass.
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

import "gorgonorm/internal/cpu/simd"

// Float is the element type of every kernel.
type Float = simd.Float
