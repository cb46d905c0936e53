// Package results computes what the records of training runs show: the variants that
// the runs belong to, their measures and ranks, and how published predictions come
// out. It computes numbers only; package report puts them into words and figures.
package results

import (
	"cmp"
	"slices"

	"gorgonorm/runlog"
)

// Results holds runs and what they show.
type Results struct {
	Runs     []runlog.Run // sorted; what was not measured is NaN
	Variants []Variant    // in the same order
	Grid     bool         // whether a variant has several runs
}

// Of returns the results of runs, which it does not change.
func Of(runs []runlog.Run) Results {
	r := Results{Runs: sorted(runs)}
	for i := range r.Runs {
		s := &r.Runs[i].Summary
		if s.Steps == 0 {
			s.FirstLoss, s.LastLoss, s.MedianGradNorm, s.MaxGradNorm = nan, nan, nan, nan
		}
		if s.SpikeWindow == 0 {
			s.LossSpikes, s.GradSpikes = nan, nan
		}
	}
	r.Variants = variants(r.Runs)
	r.Grid = len(r.Variants) < len(r.Runs)
	return r
}

// Loaded reports whether a run started from loaded weights.
func (r Results) Loaded() bool {
	return slices.ContainsFunc(r.Runs, func(r runlog.Run) bool { return r.Config.InitSHA256 != "" })
}

// Rates returns the learning rates of all runs, ascending.
func (r Results) Rates() []runlog.Float { return slices.Sorted(slices.Values(distinct(r.Runs, Rate))) }

// Seeds returns the number of seeds.
func (r Results) Seeds() int {
	return len(distinct(r.Runs, func(r runlog.Run) uint64 { return r.Config.Seed }))
}

// Texts returns the number of texts that the runs read.
func (r Results) Texts() int {
	return len(distinct(r.Runs, func(r runlog.Run) string { return r.Config.DataSHA256 }))
}

// Cells returns the number of cells of the grid: pairs of learning rate and seed.
func (r Results) Cells() int { return len(distinct(r.Runs, CellOf)) }

// Rate returns a run's learning rate.
func Rate(r runlog.Run) runlog.Float { return runlog.Float(r.Config.LR) }

// SpikeWindows is the range of the runs' spike windows.
type SpikeWindows struct {
	Range
	Measured bool // whether a run is long enough for a window
	TooShort bool // whether a run is not
}

// SpikeWindows returns the range of the runs' spike windows.
func (r Results) SpikeWindows() (w SpikeWindows) {
	var windows []runlog.Float
	for _, r := range r.Runs {
		if n := r.Summary.SpikeWindow; n > 0 {
			windows = append(windows, runlog.Float(n))
		} else {
			w.TooShort = true
		}
	}
	w.Range, w.Measured = RangeOf(windows), len(windows) > 0
	return w
}

// ByBestVal returns the indices of the runs with a finite best validation loss, the
// lowest first.
func (r Results) ByBestVal() (indices []int) {
	for i, r := range r.Runs {
		if r.Summary.BestVal.Finite() {
			indices = append(indices, i)
		}
	}
	slices.SortStableFunc(indices, func(a, b int) int {
		return cmp.Compare(r.Runs[a].Summary.BestVal, r.Runs[b].Summary.BestVal)
	})
	return indices
}

// Speed returns the tokens that a variant trains on in a second, the median over its
// runs, interrupted ones included; NaN if none was measured.
func (r Results) Speed(k Kind) runlog.Float {
	var speeds []runlog.Float
	for _, r := range r.Runs {
		if f := r.Speed.TokensPerSec; KindOf(r) == k && f.Finite() && f > 0 {
			speeds = append(speeds, f)
		}
	}
	return runlog.Median(speeds)
}

// Finals returns the finite final losses of the runs of all variants.
func (r Results) Finals() []runlog.Float { return r.finite(Final) }

// Untrained returns the finite validation losses of untrained models, one for each of
// those runs.
func (r Results) Untrained() []runlog.Float { return r.finite(runlog.Run.Untrained) }

func (r Results) finite(measure func(runlog.Run) runlog.Float) (values []runlog.Float) {
	for _, v := range r.Variants {
		for _, r := range v.Runs {
			values = append(values, measure(r))
		}
	}
	return finite(values)
}
