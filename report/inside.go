package report

import "gorgonorm/runlog"

// The measures of a probe that are drawn; each is not a number where it was not
// taken.

// attention is the largest logit of all blocks.
func attention(p runlog.Probe) runlog.Float { return runlog.Largest(p.Attention) }

// shift is the mean over the norms of Drift.Shift.
func shift(p runlog.Probe) runlog.Float {
	return meanOver(p.Norms, func(n runlog.NormProbe) (runlog.Float, bool) {
		if n.Drift == nil {
			return 0, false
		}
		return n.Drift.Shift, true
	})
}

// batchMean and batchVar are the means over the BatchNorms of Batch.Mean and
// Batch.Var.
var (
	batchMean = overBatches(func(b runlog.Batch) runlog.Float { return b.Mean })
	batchVar  = overBatches(func(b runlog.Batch) runlog.Float { return b.Var })
)

func overBatches(distance func(runlog.Batch) runlog.Float) func(runlog.Probe) runlog.Float {
	return func(p runlog.Probe) runlog.Float {
		return meanOver(p.Norms, func(n runlog.NormProbe) (runlog.Float, bool) {
			if n.Batch == nil {
				return 0, false
			}
			return distance(*n.Batch), true
		})
	}
}

// updateRatio is the mean over the groups of parameters of the update's norm over the
// weights'.
func updateRatio(p runlog.Probe) runlog.Float {
	return meanOver(p.Groups, func(g runlog.GroupProbe) (runlog.Float, bool) { return g.Update, true })
}

// meanOver is the mean over those items that have the measure.
func meanOver[T any](items []T, measure func(T) (f runlog.Float, ok bool)) runlog.Float {
	sum, n := runlog.Float(0), 0
	for _, item := range items {
		if f, ok := measure(item); ok {
			sum += f
			n++
		}
	}
	return sum / runlog.Float(n)
}
