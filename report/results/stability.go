package results

import (
	"slices"

	"gorgonorm/runlog"
)

// Fate is what became of a run.
type Fate int

const (
	Stable       Fate = iota
	Diverged          // as the run's summary describes
	NoStep            // ended before the first step
	OneStep           // ended after one step, too early to judge
	NoFiniteLoss      // has no finite first or last loss to judge by
	Exploded          // did not diverge, but its loss rose above Explosion times the first
	EndedAbove        // did not diverge, but its last loss is above the first
)

// Explosion is the multiple of its first value above which a loss makes a run unstable.
// Gradient clipping can keep such a run finite to its end.
const Explosion = 2

// FateOf returns the fate of a run.
func FateOf(r runlog.Run) Fate {
	switch s := r.Summary; {
	case s.DivergedAt > 0:
		return Diverged
	case s.Steps == 0:
		return NoStep
	case s.Steps == 1:
		return OneStep
	case !s.FirstLoss.Finite() || !s.LastLoss.Finite():
		return NoFiniteLoss
	case HighestLoss(r.Steps).Loss > Explosion*s.FirstLoss:
		return Exploded
	case s.LastLoss > s.FirstLoss:
		return EndedAbove
	default:
		return Stable
	}
}

// HighestLoss returns the step with the highest finite training loss.
func HighestLoss(steps []runlog.Step) (top runlog.Step) {
	for _, s := range steps {
		if s.Loss.Finite() && s.Loss > top.Loss {
			top = s
		}
	}
	return top
}

// Origin is a node of the graph where the first NaN or infinity of diverged runs
// arose, all of one variant.
type Origin struct {
	Variant string
	Node    string
	Rates   []runlog.Float
	Steps   Range
	Runs    int
}

// Origins returns the origins of the runs' first NaN or infinity, in the order of the
// first run of each.
func (r Results) Origins() (origins []Origin) {
	type place struct {
		kind Kind
		node string
	}
	var places []place
	runs := map[place][]runlog.Run{}
	for _, r := range r.Runs {
		if r.Summary.NonFinite == "" {
			continue
		}
		p := place{KindOf(r), r.Summary.NonFinite}
		if runs[p] == nil {
			places = append(places, p)
		}
		runs[p] = append(runs[p], r)
	}
	for _, p := range places {
		var steps []runlog.Float
		for _, r := range runs[p] {
			steps = append(steps, runlog.Float(r.Summary.DivergedAt))
		}
		v, _ := find(r.Variants, p.kind)
		origins = append(origins, Origin{
			v.Name, p.node, distinct(runs[p], Rate), RangeOf(steps), len(runs[p]),
		})
	}
	return origins
}

// LostRates returns the learning rates at which a run of the variant diverged.
func (v Variant) LostRates() []runlog.Float {
	return slices.DeleteFunc(slices.Clone(v.Rates), func(lr runlog.Float) bool {
		return !slices.ContainsFunc(v.Runs, func(r runlog.Run) bool {
			return Rate(r) == lr && r.Summary.DivergedAt > 0
		})
	})
}
