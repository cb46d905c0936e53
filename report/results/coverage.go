package results

import (
	"slices"

	"gorgonorm/runlog"
)

// Coverage says how much of a plan has finished.
type Coverage struct {
	Planned, Finished int // runs; a run that is the same as another counts as none

	// What is missing altogether, on each axis: all its planned runs are missing.
	Rates []runlog.Float
	Seeds []uint64
	Kinds []string

	Others []string // IDs of missing runs beside those
	Same   []Same   // kinds that are not run, because they are the same as others
}

// Same is a kind of model that computes the same as another, in whose place it is not run.
type Same struct{ Kind, As string }

// Complete reports whether all planned runs have finished. It is true without a plan.
func (c Coverage) Complete() bool { return c.Finished == c.Planned }

// CoverageOf compares a plan with the runs. Without a plan there is nothing to compare.
func CoverageOf(records runlog.Records) (c Coverage) {
	if records.Plan == nil {
		return c
	}
	missing := make(map[string]bool)
	for _, m := range records.Missing() {
		missing[m.ID] = true
	}
	var planned []runlog.Planned
	for _, p := range records.Plan.Runs {
		if p.SameAs == "" {
			planned = append(planned, p)
		}
	}
	c.Planned, c.Finished = len(planned), len(planned)-len(missing)
	c.Same = sameKinds(records)
	if c.Complete() {
		return c
	}
	c.Rates = absent(planned, missing, func(p runlog.Planned) runlog.Float { return runlog.Float(p.LR) })
	slices.Sort(c.Rates)
	c.Seeds = absent(planned, missing, func(p runlog.Planned) uint64 { return p.Seed })
	slices.Sort(c.Seeds)
	kinds := distinct(planned, plannedKind)
	gone := absent(planned, missing, plannedKind)
	for _, k := range gone {
		c.Kinds = append(c.Kinds, k.Name(kinds))
	}
	for _, p := range planned {
		if missing[p.ID] && !slices.Contains(c.Rates, runlog.Float(p.LR)) && !slices.Contains(c.Seeds, p.Seed) &&
			!slices.Contains(gone, plannedKind(p)) {
			c.Others = append(c.Others, p.ID)
		}
	}
	return c
}

// absent returns the values of a property all of whose runs are missing, if there are others.
func absent[P comparable](planned []runlog.Planned, missing map[string]bool, property func(runlog.Planned) P) []P {
	values := distinct(planned, property)
	left := slices.DeleteFunc(slices.Clone(values), func(v P) bool {
		return slices.ContainsFunc(planned, func(p runlog.Planned) bool { return property(p) == v && !missing[p.ID] })
	})
	if len(left) == len(values) {
		return nil
	}
	return left
}

func plannedKind(p runlog.Planned) Kind { return kindOf(p.Config()) }

// sameKinds returns the kinds that are planned but not run, without those that have a run, of
// earlier times.
func sameKinds(records runlog.Records) []Same {
	planned := make(map[string]runlog.Planned)
	for _, p := range records.Plan.Runs {
		planned[p.ID] = p
	}
	run := func(p runlog.Planned) bool {
		return p.SameAs == "" ||
			slices.ContainsFunc(records.Runs, func(r runlog.Run) bool { return r.Config.ID() == p.ID })
	}
	kinds := distinct(records.Plan.Runs, plannedKind)
	return distinct(slices.DeleteFunc(slices.Clone(records.Plan.Runs), run), func(p runlog.Planned) Same {
		return Same{plannedKind(p).Name(kinds), plannedKind(planned[p.SameAs]).Name(kinds)}
	})
}
