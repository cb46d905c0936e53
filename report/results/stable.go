package results

import (
	"slices"

	"gorgonorm/runlog"
)

// EnoughSteps is the number of steps that a run must be planned for before its stability or
// its loss says anything: the default warm-up takes two thirds of it.
const EnoughSteps = 100

// LongEnough reports whether every run is planned for EnoughSteps or more.
func (r Results) LongEnough() bool {
	return !slices.ContainsFunc(r.Runs, func(r runlog.Run) bool { return r.Config.Steps < EnoughSteps })
}

// UnstableRates returns the learning rates at which a run of the variant was not Stable.
func (v Variant) UnstableRates() (rates []runlog.Float) {
	for _, r := range v.Runs {
		if FateOf(r) != Stable && !slices.Contains(rates, Rate(r)) {
			rates = append(rates, Rate(r))
		}
	}
	return rates
}

// Cell is a pair of learning rate and seed, the same for all variants.
type Cell struct {
	LR   runlog.Float
	Seed uint64
}

// CellOf returns the cell of a run.
func CellOf(r runlog.Run) Cell { return Cell{Rate(r), r.Config.Seed} }

// Common returns the cell at which variants are best compared from inside: of those with the most
// stable runs, the one with the lowest seed, and there the largest learning rate. It also returns
// the numbers of its stable runs and of all its runs.
func (r Results) Common() (best Cell, stable, runs int) {
	for _, c := range distinct(r.Runs, CellOf) {
		n, all := 0, 0
		for _, run := range r.Runs {
			if CellOf(run) != c || run.Summary.Interrupted {
				continue
			}
			all++
			if FateOf(run) == Stable {
				n++
			}
		}
		better := n > stable || n == stable && all > runs
		if n == stable && all == runs {
			better = c.Seed < best.Seed || c.Seed == best.Seed && c.LR > best.LR
		}
		if better || runs == 0 && all > 0 {
			best, stable, runs = c, n, all
		}
	}
	return best, stable, runs
}
