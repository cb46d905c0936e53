package report

import "gorgonorm/train"

// The measures of a probe that are drawn; each is not a number where it was not
// taken.

// attention is the largest logit of all blocks.
func attention(p train.Probe) train.Float { return train.Largest(p.Attention) }

// shift is the mean over the norms of Drift.Shift.
func shift(p train.Probe) train.Float {
	return meanOver(p.Norms, func(n train.NormProbe) (train.Float, bool) {
		if n.Drift == nil {
			return 0, false
		}
		return n.Drift.Shift, true
	})
}

// batchMean and batchVar are the means over the BatchNorms of Batch.Mean and
// Batch.Var.
var (
	batchMean = overBatches(func(b train.Batch) train.Float { return b.Mean })
	batchVar  = overBatches(func(b train.Batch) train.Float { return b.Var })
)

func overBatches(distance func(train.Batch) train.Float) func(train.Probe) train.Float {
	return func(p train.Probe) train.Float {
		return meanOver(p.Norms, func(n train.NormProbe) (train.Float, bool) {
			if n.Batch == nil {
				return 0, false
			}
			return distance(*n.Batch), true
		})
	}
}

// updateRatio is the mean over the groups of parameters of the update's norm over the
// weights'.
func updateRatio(p train.Probe) train.Float {
	return meanOver(p.Groups, func(g train.GroupProbe) (train.Float, bool) { return g.Update, true })
}

// meanOver is the mean over those items that have the measure.
func meanOver[T any](items []T, measure func(T) (f train.Float, ok bool)) train.Float {
	sum, n := train.Float(0), 0
	for _, item := range items {
		if f, ok := measure(item); ok {
			sum += f
			n++
		}
	}
	return sum / train.Float(n)
}
