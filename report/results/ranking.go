package results

import (
	"cmp"
	"math"
	"slices"

	"gorgonorm/runlog"
)

// mostRates returns the learning rates of the first variant with the most.
func mostRates(vs []Variant) (rates []runlog.Float) {
	for _, v := range vs {
		if len(v.Rates) > len(rates) {
			rates = v.Rates
		}
	}
	return rates
}

// sensitivitiesOver returns the variant's sensitivities if they are means over the
// given rates. Means over other rates are not comparable.
func (v Variant) sensitivitiesOver(rates []runlog.Float) []runlog.Float {
	if !slices.Equal(v.Rates, rates) {
		return nil
	}
	return v.Sensitivities
}

// places sets the place of each variant with two samples or more among those, if there
// are several.
func places(vs []Variant, of func(*Variant) (samples []runlog.Float, place *runlog.Place)) {
	var groups [][]runlog.Float
	var at []*runlog.Place
	for i := range vs {
		if samples, place := of(&vs[i]); len(samples) > 1 {
			groups, at = append(groups, samples), append(at, place)
		}
	}
	if len(groups) < 2 || len(finite(slices.Concat(groups...))) == 0 { // nothing is first where all is lost
		return
	}
	for i, place := range runlog.Places(groups) {
		*at[i] = place
	}
}

// Placing describes where the places of the variants come from.
type Placing struct {
	Variants    int
	Placed      int  // variants with two seeds or more
	Seeds       int  // the fewest of those
	RatesDiffer bool // whether a seed lacks a run at one of several learning rates
}

// Placing describes where the places of the variants come from.
func (r Results) Placing() Placing {
	p := Placing{Variants: len(r.Variants), Seeds: r.FewestSeeds()}
	rates := mostRates(r.Variants)
	for _, v := range r.Variants {
		if len(v.Lowest) > 1 {
			p.Placed++
		}
		if len(rates) > 1 && len(v.sensitivitiesOver(rates)) < len(v.Lowest) {
			p.RatesDiffer = true
		}
	}
	return p
}

// FewestSeeds returns the smallest number of seeds, two or more, that a variant is ranked
// by; 0 if there is none.
func (r Results) FewestSeeds() int {
	var samples [][]runlog.Float
	for _, v := range r.Variants {
		samples = append(samples, v.Lowest, v.Sensitivities)
	}
	return fewest(samples...)
}

// Ranked is a variant with the values that it is ranked by, one for each seed.
type Ranked struct {
	Name   string
	Values []runlog.Float
	Mean   runlog.Float // +Inf if a value is missing
}

// Ranking is the order of variants by a measure, lower is better.
type Ranking struct {
	Several []Ranked // the variants with two seeds or more, by their means
	Single  []Ranked // the variants with one seed
	Without []string // the names of the variants without a finite value
}

// ByLoss ranks the variants by the loss at the best learning rate.
func (r Results) ByLoss() Ranking {
	return rank(r.Variants, func(v Variant) []runlog.Float { return v.Lowest })
}

// BySensitivity ranks the variants by their sensitivity to the learning rate.
func (r Results) BySensitivity() Ranking {
	rates := mostRates(r.Variants)
	return rank(r.Variants, func(v Variant) []runlog.Float { return v.sensitivitiesOver(rates) })
}

func rank(vs []Variant, values func(Variant) []runlog.Float) (ranking Ranking) {
	for _, v := range vs {
		r := Ranked{v.Name, values(v), runlog.Float(math.Inf(1))}
		if mean, _ := runlog.MeanStd(r.Values); len(r.Values) > 0 && mean.Finite() {
			r.Mean = mean
		}
		switch {
		case len(finite(r.Values)) == 0:
			ranking.Without = append(ranking.Without, v.Name)
		case len(r.Values) == 1:
			ranking.Single = append(ranking.Single, r)
		default:
			ranking.Several = append(ranking.Several, r)
		}
	}
	byMean(ranking.Several)
	return ranking
}

// ByMean returns all ranked variants, the lowest mean first.
func (r Ranking) ByMean() []Ranked {
	all := slices.Concat(r.Several, r.Single)
	byMean(all)
	return all
}

func byMean(rs []Ranked) {
	slices.SortStableFunc(rs, func(a, b Ranked) int { return cmp.Compare(a.Mean, b.Mean) })
}

// Tier is a place, and the variants that share it.
type Tier struct {
	runlog.Place
	Names []string
}

// Tiers returns the places of the variants with several seeds, the best first, as
// runlog.Places defines them.
func (r Ranking) Tiers() (tiers []Tier) {
	groups := make([][]runlog.Float, len(r.Several))
	for i, v := range r.Several {
		groups[i] = v.Values
	}
	for i, place := range runlog.Places(groups) {
		at := slices.IndexFunc(tiers, func(t Tier) bool { return t.Place == place })
		if at < 0 {
			at, tiers = len(tiers), append(tiers, Tier{Place: place})
		}
		tiers[at].Names = append(tiers[at].Names, r.Several[i].Name)
	}
	slices.SortStableFunc(tiers, func(a, b Tier) int {
		return cmp.Or(cmp.Compare(a.Best, b.Best), cmp.Compare(a.Worst, b.Worst))
	})
	return tiers
}
