package lab

import (
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// computes returns the config, of those whose runs are the same to the bit, that stands for all.
// Without norms there is nothing to place, except that the scaled placement divides the input of
// each block, and that noise depends on how many places it has.
func computes(c runlog.Config) runlog.Config {
	if c.Norm == "none" && c.NormNoise == 0 && c.Placement != string(transformer.Scaled) {
		c.Placement = string(transformer.Pre)
	}
	return c
}

// once separates the configs that compute something of their own from those that compute the same
// as one of them, or as a run that the plan knows and that then takes its place.
func once(cs []runlog.Config, known *runlog.Plan) (runs []runlog.Config, same []runlog.Planned) {
	placement := make(map[string]string) // of the run that stands for others
	if known != nil {
		for _, p := range known.Runs {
			if p.SameAs == "" {
				placement[computes(p.Config()).ID()] = p.Placement
			}
		}
	}
	taken := make(map[string]bool)
	for _, c := range cs {
		id := computes(c).ID()
		run := c
		if p, ok := placement[id]; ok {
			run.Placement = p
		}
		placement[id] = run.Placement
		if run.Placement != c.Placement {
			p := runlog.PlannedOf(c)
			p.SameAs = run.ID()
			same = append(same, p)
		}
		if !taken[id] {
			taken[id] = true
			runs = append(runs, run)
		}
	}
	return runs, same
}
