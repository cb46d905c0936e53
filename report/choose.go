package report

import "slices"

// mostCurves is how many runs one figure shows before it shows one a variant.
const mostCurves = 8

// typical are the runs that curves are drawn of: all, or of a large grid one a
// variant, at the variant's best learning rate.
func (s summary) typical() chosen {
	if !s.Grid || len(s.Rows) <= mostCurves {
		return chosen{rows: s.Rows}
	}
	c := chosen{are: "Of each variant the run at its best learning rate, of the lowest seed."}
	lost := false
	for _, v := range s.Variants {
		if len(v.Rows) == 0 {
			continue
		}
		i := slices.IndexFunc(v.Rows, func(r row) bool { return r.Config.LR == float64(v.BestLR) })
		if i < 0 {
			i, lost = 0, true
		}
		r := v.Rows[i]
		r.Name = v.Name
		if len(s.rates()) > 1 {
			r.Name += ", lr " + rate(trainRate(r))
		}
		c.rows = append(c.rows, r)
	}
	if lost {
		c.are += " A variant without a best one is shown at its lowest rate."
	}
	return c
}

// steepest are the runs at the grid's largest learning rate, one a variant, if
// the typical ones are at others.
func (s summary) steepest() chosen {
	rates := s.rates()
	if !s.Grid || len(s.Rows) <= mostCurves || len(rates) < 2 {
		return chosen{}
	}
	top := rates[len(rates)-1]
	c := chosen{are: "Of each variant the run at lr " + rate(top) + ", of the lowest seed."}
	for _, v := range s.Variants {
		if i := slices.IndexFunc(v.Rows, func(r row) bool { return trainRate(r) == top }); i >= 0 {
			r := v.Rows[i]
			r.Name = v.Name
			c.rows = append(c.rows, r)
		}
	}
	return c
}
