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
	Orders     []string
	TextShares []float64
	NormNoises []float64
	LRs        []float64
	Seeds      int // number of seeds, from Base.Seed on
}

// Configs returns the settings of the runs, ordered by seed, then by learning rate, then by
// kind of model. An axis without values has that of Base.
func (g Grid) Configs() []runlog.Config {
	cs := []runlog.Config{g.Base}
	seeds := make([]uint64, g.Seeds)
	for i := range seeds {
		seeds[i] = g.Base.Seed + uint64(i)
	}
	cs = along(cs, seeds, func(c *runlog.Config, v uint64) { c.Seed = v })
	cs = along(cs, g.LRs, func(c *runlog.Config, v float64) { c.LR, c.MinLR = v, v/10 })
	cs = along(cs, g.Orders, func(c *runlog.Config, v string) { c.Order = v })
	cs = along(cs, g.TextShares, func(c *runlog.Config, v float64) { c.TextShare = v })
	cs = along(cs, g.NormNoises, func(c *runlog.Config, v float64) { c.NormNoise = v })
	cs = along(cs, g.Placements, func(c *runlog.Config, v transformer.Placement) { c.Placement = string(v) })
	cs = along(cs, g.QKNorms, func(c *runlog.Config, v bool) { c.QKNorm = v })
	return along(cs, g.Norms, func(c *runlog.Config, v string) { c.Norm = v })
}

// along returns, for each config, one with each of the values.
func along[T any](cs []runlog.Config, values []T, set func(*runlog.Config, T)) []runlog.Config {
	if len(values) == 0 {
		return cs
	}
	var all []runlog.Config
	for _, c := range cs {
		for _, v := range values {
			set(&c, v)
			all = append(all, c)
		}
	}
	return all
}

// kind identifies the runs of a grid whose models have the same structure. Such runs take
// the same time and load the same of the initial weights.
type kind struct {
	norm, placement string
	qkNorm, noise   bool
}

func kindOf(c runlog.Config) kind { return kind{c.Norm, c.Placement, c.QKNorm, c.NormNoise > 0} }
