package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// lossMap is the final validation loss of each variant at each learning rate, as a table whose
// cells have colours.
type lossMap struct {
	Rates     []string
	Rows      []mapRow
	Best, Top string       // the losses at the ends of the scale of colours, "" if there are none
	Scale     template.CSS // the scale as a gradient
	Signs     string       // what the signs mean that cells have
}

type mapRow struct {
	Name  string
	Cells []mapCell
}

// mapCell is a cell of the map.
type mapCell struct {
	Loss     string // mean over the seeds; "" where it is not finite
	Diverged string // "all", "2/3" or ""
	Unstable bool   // no run diverged, yet one was not stable
	Missing  bool
	Explain  string // a sentence
	Style    template.CSS
}

// lossMap returns false for a report on runs that make no grid.
func (s summary) lossMap() (m lossMap, ok bool) {
	lrs := s.Rates()
	if !s.Grid {
		return m, false
	}
	for _, lr := range lrs {
		m.Rates = append(m.Rates, rate(lr))
	}
	var all, some, unstable bool
	best, top := s.lossRange()
	if best.Finite() && top.Finite() {
		m.Best, m.Top = loss(best), loss(top)
	}
	for _, v := range s.Variants {
		row := mapRow{Name: v.Name}
		for _, lr := range lrs {
			c := cellOfMap(v, lr, best, top)
			all, some = all || c.Diverged == "all", some || c.Diverged != "" && c.Diverged != "all"
			unstable = unstable || c.Unstable
			row.Cells = append(row.Cells, c)
		}
		m.Rows = append(m.Rows, row)
	}
	var signs []string
	for _, sign := range []struct {
		shown   bool
		meaning string
	}{
		{all, "✕ diverged"}, {some, "✕ 1/2: so many of the seeds diverged"},
		{unstable, "! unstable, though it did not diverge"},
	} {
		if sign.shown {
			signs = append(signs, sign.meaning)
		}
	}
	m.Signs = strings.Join(signs, "; ")
	m.Scale = gradient(func(t float64) float64 { return 1 - t })
	return m, true
}

// lossRange returns the losses between which colours differ: the best one of all cells, and that
// of untrained models, or the highest below it.
func (s summary) lossRange() (best, top runlog.Float) {
	var means []runlog.Float
	for _, v := range s.Variants {
		for i, lr := range v.Rates {
			if v.Means[i].Finite() && v.DivergedAt(lr) == 0 {
				means = append(means, v.Means[i])
			}
		}
	}
	r := results.RangeOf(means)
	if untrained := results.RangeOf(s.Untrained()); untrained.Hi < r.Hi {
		r.Hi = untrained.Hi
	}
	return r.Lo, r.Hi
}

func cellOfMap(v results.Variant, lr, best, top runlog.Float) (c mapCell) {
	at := slices.Index(v.Rates, lr)
	where := fmt.Sprintf("%s at a learning rate of %s", v.Name, rate(lr))
	if at < 0 {
		return mapCell{Missing: true, Explain: where + " has no finished run."}
	}
	losses, diverged := v.Losses(lr), v.DivergedAt(lr)
	mean := v.Means[at]
	if mean.Finite() {
		c.Loss = loss(mean)
	}
	switch {
	case diverged == len(losses):
		c.Diverged = "all"
	case diverged > 0:
		c.Diverged = fmt.Sprintf("%d/%d", diverged, len(losses))
	}
	c.Unstable = diverged == 0 && slices.Contains(v.UnstableRates(), lr)
	c.Explain = where + ": " + count(len(losses), "run")
	if diverged > 0 {
		c.Explain += fmt.Sprintf(", of which %d diverged", diverged)
	}
	if c.Unstable {
		c.Explain += ", not all stable"
	}
	if mean.Finite() {
		c.Explain += ", validation loss " + loss(mean)
		if r := results.RangeOf(losses); loss(r.Lo) != loss(r.Hi) {
			c.Explain += " (" + span(r, loss) + ")"
		}
	}
	c.Explain += "."
	if diverged == 0 && mean.Finite() {
		// The root spreads the losses near the best one, where the differences that matter are.
		t := 1.0
		if top > best {
			t = 1 - math.Sqrt(float64((min(mean, top)-best)/(top-best)))
		}
		background := shade(t)
		c.Style = template.CSS(fmt.Sprintf("background:%s;color:%s", css(background), css(inkOn(background))))
	}
	return c
}

// gradient returns the scale of colours from left to right, as CSS.
func gradient(t func(float64) float64) template.CSS {
	s := "linear-gradient(to right"
	const stops = 8
	for i := range stops + 1 {
		s += "," + css(shade(t(float64(i)/stops)))
	}
	return template.CSS(s + ")")
}
