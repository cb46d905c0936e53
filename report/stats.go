package report

import (
	"math"
	"slices"

	"gorgonorm/train"
)

func finite(values []train.Float) []train.Float {
	return slices.DeleteFunc(slices.Clone(values), func(v train.Float) bool { return !v.Finite() })
}

// geometricMean is exp of the mean logarithm of positive values; NaN for none.
func geometricMean(values []train.Float) train.Float {
	sum := 0.0
	for _, v := range values {
		sum += math.Log(float64(v))
	}
	return train.Float(math.Exp(sum / float64(len(values))))
}

// extremes are the smallest and the largest of values; NaN for none.
func extremes(values []train.Float) (lo, hi train.Float) {
	if len(values) == 0 {
		return notANumber, notANumber
	}
	return slices.Min(values), slices.Max(values)
}

var notANumber = train.Float(math.NaN())
