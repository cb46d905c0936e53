// Package extent counts the elements of tensors whose sizes come from a user or a
// file, so that no product of them wraps.
package extent

import (
	"fmt"
	"math"
)

// Max is how many elements a tensor may have: 256 GiB of float32, so that a larger size is
// surely a mistake. Where an int has 32 bits, their bytes must fit it.
const Max = min(1<<36, math.MaxInt/8)

// Product multiplies sizes. It is not ok if one of them is negative or the product is more
// than Max.
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

// Of returns the number of a shape's elements, or an error that begins with what.
func Of[S ~[]int](what string, shape S) (int, error) {
	n, ok := Product(shape...)
	if !ok {
		return 0, fmt.Errorf("%s has shape %v, want sizes of 0 or more and at most %d elements", what, shape, Max)
	}
	return n, nil
}
