package lab

import (
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// Grid is a set of runs: one for every combination of its axes, with all other
// settings those of Base. The lowest learning rate of a run is a tenth of its
// highest.
type Grid struct {
	Base       runlog.Config
	Norms      []string
	Placements []transformer.Placement
	QKNorms    []bool
	LRs        []float64
	Seeds      int // how many, from Base.Seed on
}

// Configs are the runs' settings, the whole grid of one seed before the next, and
// all kinds of model at one learning rate before the next.
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

// kind is what runs of a grid share that train models of the same kind, which take
// the same time and have the same of the weights that they start from.
type kind struct {
	norm, placement string
	qkNorm          bool
}

func kindOf(c runlog.Config) kind { return kind{c.Norm, c.Placement, c.QKNorm} }
