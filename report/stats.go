package report

import (
	"fmt"
	"math"
	"slices"

	"gorgonorm/runlog"
)

func finite(values []runlog.Float) []runlog.Float {
	return slices.DeleteFunc(slices.Clone(values), func(v runlog.Float) bool { return !v.Finite() })
}

// geometricMean is exp of the mean logarithm of positive values; NaN for none.
func geometricMean(values []runlog.Float) runlog.Float {
	sum := 0.0
	for _, v := range values {
		sum += math.Log(float64(v))
	}
	return runlog.Float(math.Exp(sum / float64(len(values))))
}

// extremes are the smallest and the largest of values; NaN for none.
func extremes(values []runlog.Float) (lo, hi runlog.Float) {
	if len(values) == 0 {
		return notANumber, notANumber
	}
	return slices.Min(values), slices.Max(values)
}

// chance is the probability, in per cent, that all of n values are below all of n
// others of the same distribution, or all above:
//
//	2 / C(2n, n)
//
// for each of the orders of the 2n is as likely: the two-sided level of U = 0 in
// the test of Mann & Whitney 1947 (Ann. Math. Statist. 18).
func chance(n int) string {
	p := 200.0
	for i := 1; i <= n; i++ {
		p *= float64(i) / float64(n+i)
	}
	return fmt.Sprintf("%.2g %%", p)
}

// fewest is the size of the smallest of the samples of two or more, 0 for none.
func fewest(samples ...[]runlog.Float) (n int) {
	for _, s := range samples {
		if len(s) > 1 && (n == 0 || len(s) < n) {
			n = len(s)
		}
	}
	return n
}

var notANumber = runlog.Float(math.NaN())
