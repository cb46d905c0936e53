package results

import "gorgonorm/runlog"

// Measures of a probe, NaN if it did not take them.

// embedding returns the RMS of the residual stream before the first block.
func embedding(p runlog.Probe) runlog.Float {
	if len(p.Residual) == 0 {
		return nan
	}
	return p.Residual[0].RMS
}

// LastResidual returns the RMS of the residual stream after the last block.
func LastResidual(p runlog.Probe) runlog.Float {
	if len(p.Residual) == 0 {
		return nan
	}
	return p.Residual[len(p.Residual)-1].RMS
}

// Attention returns the largest attention logit of all blocks.
func Attention(p runlog.Probe) runlog.Float { return runlog.Largest(p.Attention) }

// Shift returns the mean over the norms of Drift.Shift.
func Shift(p runlog.Probe) runlog.Float {
	return meanOver(p.Norms, func(n runlog.NormProbe) (runlog.Float, bool) {
		if n.Drift == nil {
			return 0, false
		}
		return n.Drift.Shift, true
	})
}

// BatchMean returns the mean over the BatchNorms of Batch.Mean.
func BatchMean(p runlog.Probe) runlog.Float {
	return overBatches(p, func(b runlog.Batch) runlog.Float { return b.Mean })
}

// BatchVar returns the mean over the BatchNorms of Batch.Var.
func BatchVar(p runlog.Probe) runlog.Float {
	return overBatches(p, func(b runlog.Batch) runlog.Float { return b.Var })
}

func overBatches(p runlog.Probe, distance func(runlog.Batch) runlog.Float) runlog.Float {
	return meanOver(p.Norms, func(n runlog.NormProbe) (runlog.Float, bool) {
		if n.Batch == nil {
			return 0, false
		}
		return distance(*n.Batch), true
	})
}

// UpdateRatio returns the mean over the groups of parameters of ‖update‖ / ‖weights‖.
func UpdateRatio(p runlog.Probe) runlog.Float {
	return meanOver(p.Groups, func(g runlog.GroupProbe) (runlog.Float, bool) { return g.Update, true })
}

// meanOver returns the mean over the items that have the measure.
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
