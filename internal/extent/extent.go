// Package extent computes the number of elements of tensors whose sizes come from a user or a file,
// without integer overflow.
package extent

import (
	"fmt"
	"math"
)

// Max is the maximum number of elements of a tensor: 256 GiB of float32. A larger size is surely a
// mistake. If an int has 32 bits, the number of bytes must fit in it.
const Max = min(1<<36, math.MaxInt/8)

// Product returns the product of sizes. It reports false if a size is negative or the product exceeds
// Max.
func Product(sizes ...int) (n int, ok bool) {
	n = 1
	for _, s := range sizes {
		if s < 0 || s > 0 && n > Max/s {
			return 0, false
		}
		n *= s
	}
	return n, true
}

// Of returns the number of elements of a shape, or an error that starts with what.
func Of[S ~[]int](what string, shape S) (int, error) {
	n, ok := Product(shape...)
	if !ok {
		return 0, fmt.Errorf("%s has shape %v, want sizes of 0 or more and at most %d elements", what, shape, Max)
	}
	return n, nil
}
