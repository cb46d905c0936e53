package lab

import (
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// Grid is a set of runs, one for each combination of the values on its axes. All other
// settings are those of Base, except that the learning rate falls to a tenth.
type Grid struct {
	Base       runlog.Config
	Norms      []string
	Placements []transformer.Placement
	QKNorms    []bool
	LRs        []float64
	Seeds      int // number of seeds, from Base.Seed on
}

// Configs returns the settings of the runs, ordered by seed, then by learning rate, then by
// kind of model.
func (g Grid) Configs() (cs []runlog.Config) {
	for i := range g.Seeds {
		for _, lr := range g.LRs {
			for _, placement := range g.Placements {
				for _, qk := range g.QKNorms {
					for _, norm := range g.Norms {
						c := g.Base
						c.Norm, c.Placement, c.QKNorm = norm, string(placement), qk
						c.LR, c.MinLR, c.Seed = lr, lr/10, g.Base.Seed+uint64(i)
						cs = append(cs, c)
					}
				}
			}
		}
	}
	return cs
}

// kind identifies the runs of a grid whose models have the same structure. Such runs take
// the same time and load the same of the initial weights.
type kind struct {
	norm, placement string
	qkNorm          bool
}

func kindOf(c runlog.Config) kind { return kind{c.Norm, c.Placement, c.QKNorm} }
