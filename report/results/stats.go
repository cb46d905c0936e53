package results

import (
	"math"
	"slices"

	"gorgonorm/runlog"
)

var nan = runlog.Float(math.NaN())

// Range is the smallest and the largest of some values, NaN if there are none.
type Range struct{ Lo, Hi runlog.Float }

// RangeOf returns the range of values.
func RangeOf(values []runlog.Float) Range {
	if len(values) == 0 {
		return Range{nan, nan}
	}
	return Range{slices.Min(values), slices.Max(values)}
}

func finite(values []runlog.Float) []runlog.Float {
	return slices.DeleteFunc(slices.Clone(values), func(v runlog.Float) bool { return !v.Finite() })
}

// distinct returns a property of the items without repetition, in order of appearance.
func distinct[T any, P comparable](items []T, property func(T) P) (values []P) {
	for _, item := range items {
		if p := property(item); !slices.Contains(values, p) {
			values = append(values, p)
		}
	}
	return values
}

// geometricMean returns exp of the mean logarithm of positive values, NaN for none.
func geometricMean(values []runlog.Float) runlog.Float {
	sum := 0.0
	for _, v := range values {
		sum += math.Log(float64(v))
	}
	return runlog.Float(math.Exp(sum / float64(len(values))))
}

// Chance returns the probability, in per cent, that all of n values are below all of
// n others of the same distribution, or all above:
//
//	2 / C(2n, n)
//
// because all orders of the 2n are equally likely. It is the two-sided level of U = 0
// in the test of Mann & Whitney 1947 (Ann. Math. Statist. 18).
func Chance(n int) float64 {
	p := 200.0
	for i := 1; i <= n && p > 0; i++ {
		p *= float64(i) / float64(n+i)
	}
	return p
}

// fewest returns the size of the smallest sample of two values or more, 0 if there
// is none.
func fewest(samples ...[]runlog.Float) (n int) {
	for _, s := range samples {
		if len(s) > 1 && (n == 0 || len(s) < n) {
			n = len(s)
		}
	}
	return n
}
