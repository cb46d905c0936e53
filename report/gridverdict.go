package report

import (
	"fmt"
	"strings"

	"gorgonorm/runlog"
)

// gridVerdict says what a grid of runs shows: which variants diverged where, how
// they rank, and what that is worth.
func gridVerdict(s summary) []string {
	out := []string{divergence(s.Variants)}
	most, before := mostRates(s.Variants), false
	for _, by := range []struct {
		what   string
		values func(variant) []runlog.Float
	}{
		{"By the loss at its best rate", func(v variant) []runlog.Float { return v.Lowest }},
		{"By LR sensitivity", func(v variant) []runlog.Float { return v.sensitivitiesOver(most) }},
	} {
		if said := ranking(by.what, s.Variants, by.values); said != "" {
			out = append(out, said)
			before = before || strings.Contains(said, "before")
		}
	}
	worth := caveat(s.Rows)
	if before {
		worth += fmt.Sprintf(" Of two variants that do not differ, one comes before the other by chance in %s of cases.", chance(fewest(samples(s.Variants)...)))
	}
	return append(out, worth)
}

// divergence says which variants never diverged, and how many runs of the others
// did, at which learning rates.
func divergence(vs []variant) string {
	var names, outcomes []string
	lost := 0
	for _, v := range vs {
		if v.Diverged > 0 || len(v.Rows) == 0 {
			lost++
		}
		names, outcomes = append(names, v.Name), append(outcomes, v.outcome())
	}
	if lost == 0 && len(vs) > 1 {
		return fmt.Sprintf("None of the %d variants diverged.", len(vs))
	}
	return grouped(names, outcomes, "variants")
}

func (v variant) outcome() string {
	n := len(v.Rows)
	switch {
	case n == 0:
		return "left no run that came to its end"
	case v.Diverged == 0:
		return "never diverged"
	case v.Diverged == n:
		return "diverged in every run"
	}
	s := fmt.Sprintf("diverged in %d of %d runs", v.Diverged, n)
	lost := map[runlog.Float]bool{}
	for _, r := range v.Rows {
		if r.Summary.DivergedAt > 0 {
			lost[runlog.Float(r.Config.LR)] = true
		}
	}
	first, gap := -1, false // of the rates lost; a rate not lost above the first
	var rates []string
	for i, lr := range v.rates {
		switch {
		case lost[lr]:
			rates = append(rates, rate(lr))
			if first < 0 {
				first = i
			}
		case first >= 0:
			gap = true
		}
	}
	switch {
	case len(v.rates) == 1:
		return s
	case first == 0 && !gap:
		return s + ", at every learning rate"
	case gap:
		return s + ", at lr " + list(rates)
	case len(rates) == 1:
		return s + ", at lr " + rates[0]
	default:
		return s + fmt.Sprintf(", from lr %s on", rates[0])
	}
}
