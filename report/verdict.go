package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// verdict returns what the runs show, and how far that can be trusted. Names are quoted,
// because one of the norms is called none.
func (s summary) verdict() []string {
	switch {
	case !s.judged():
		return []string{"Nothing is compared: " + s.unjudged() + "."}
	case len(s.Rows) == 1: // the title says it all
		return nil
	case !s.Grid:
		return []string{stability(s.Rows), s.best(), s.caveat()}
	}
	var sentences []string
	compared := false
	for _, by := range []struct {
		what    string
		ranking results.Ranking
	}{
		{"By the loss at its best rate", s.ByLoss()},
		{"By LR sensitivity", s.BySensitivity()},
	} {
		if sentence := ranking(by.what, by.ranking); sentence != "" {
			sentences = append(sentences, sentence)
		}
		compared = compared || len(by.ranking.Several) > 1
	}
	caveat := s.caveat()
	if compared {
		caveat += fmt.Sprintf(
			" Of two variants that do not differ, one comes before the other by chance in %s of cases.",
			chance(s.FewestSeeds()))
	}
	return append(sentences, caveat)
}

// unjudged says why the runs cannot be compared.
func (s summary) unjudged() string {
	if !s.LongEnough() {
		return fmt.Sprintf("it takes %s, and these runs have %d", count(results.EnoughSteps, "step"), s.fewestSteps())
	}
	return fmt.Sprintf("it takes all %s of the plan, and %d have finished",
		count(s.Coverage.Planned, "run"), s.Coverage.Finished)
}

// stability names the runs that stayed stable and those that did not.
func stability(rows []row) string {
	var names, fates []string
	for _, r := range rows {
		names, fates = append(names, r.Name), append(fates, fate(r.Run))
	}
	return grouped(names, fates, "runs")
}

// grouped returns a sentence with one clause for each fate, in order of appearance.
func grouped(names, fates []string, many string) string {
	var clauses []string
	who := map[string][]string{}
	for i, f := range fates {
		if who[f] == nil {
			clauses = append(clauses, f)
		}
		who[f] = append(who[f], strconv.Quote(names[i]))
	}
	if len(clauses) == 1 && len(names) > 1 {
		return fmt.Sprintf("All %d %s %s.", len(names), many, clauses[0])
	}
	for i, f := range clauses {
		clauses[i] = list(who[f]) + " " + f
	}
	return strings.Join(clauses, "; ") + "."
}

// fate describes what became of a run, in words that fit one run and several.
func fate(r runlog.Run) string {
	s := r.Summary
	switch results.FateOf(r) {
	case results.Diverged:
		if s.Divergence.AtTheEnd() {
			return fmt.Sprintf("diverged: at step %d it was %s", s.DivergedAt, s.Divergence)
		}
		return fmt.Sprintf("diverged at step %d", s.DivergedAt)
	case results.NoStep:
		return "took no step"
	case results.OneStep:
		return "took one step, too few to judge"
	case results.NoFiniteLoss:
		return "left no finite loss to judge by"
	case results.Exploded:
		top := results.HighestLoss(r.Steps)
		return fmt.Sprintf("did not diverge, but the loss rose to %s at step %d", loss(top.Loss), top.Step)
	case results.EndedAbove:
		return "did not diverge, but ended above the first loss"
	}
	if s.Interrupted {
		return fmt.Sprintf("stayed stable until stopped at step %d", s.Steps)
	}
	return "stayed stable"
}

// best names the runs with the lowest best validation loss. Losses that are equal as
// printed count as equal.
func (s summary) best() string {
	ranked := s.ByBestVal()
	switch {
	case len(ranked) == 0:
		return "No run has a validation loss."
	case !slices.ContainsFunc(s.Rows, func(r row) bool { return r.Summary.DivergedAt == 0 }):
		return "All runs diverged, so none is best."
	}
	value := loss(s.Rows[ranked[0]].Summary.BestVal)
	var first []string
	for _, i := range ranked {
		if r := s.Rows[i]; loss(r.Summary.BestVal) == value {
			first = append(first, withDivergence(r))
		}
	}
	if len(ranked) == 1 {
		return fmt.Sprintf("The only validation loss, %s nats per token at best, is that of %s.", value, first[0])
	}
	sentence := fmt.Sprintf("The lowest best validation loss, %s nats per token, is that of %s", value, list(first))
	if len(first) < len(ranked) {
		next := s.Rows[ranked[len(first)]]
		sentence += fmt.Sprintf("; next is %s with %s", withDivergence(next), loss(next.Summary.BestVal))
	}
	return sentence + "."
}

// withDivergence returns a run's quoted name, and whether its best loss precedes a
// divergence.
func withDivergence(r row) string {
	name := strconv.Quote(r.Name)
	switch {
	case r.Summary.DivergedAt > 0 && r.Summary.Divergence.AtTheEnd():
		name += fmt.Sprintf(" (though it ended %s)", r.Summary.Divergence)
	case r.Summary.DivergedAt > 0:
		name += " (before it diverged)"
	}
	return name
}

// caveat describes how far the losses can be compared.
func (s summary) caveat() (sentences string) {
	switch n := s.Seeds(); {
	case s.Texts() > 1:
		sentences = "The runs read different texts, so their losses are not comparable."
	case n > 1:
		sentences = fmt.Sprintf(
			"The runs use %d seeds; differences no larger than those between seeds are no evidence.", n)
	default:
		sentences = "One seed was run, so small differences are no evidence."
	}
	if s.Loaded() {
		sentences += " The loaded weights may fit one variant better than another: " +
			"the losses show how each continues from them, not how it trains from random ones."
	}
	return sentences
}

// ranking returns a sentence with the order of the variants by a measure, "" if no variant has a
// value. It gives places only if there are two with several seeds.
func ranking(by string, r results.Ranking) string {
	if len(r.Several)+len(r.Single) == 0 {
		return ""
	}
	without := r.Without
	var items []string
	end := ""
	if len(r.Several) < 2 {
		all := r.ByMean()
		for _, v := range all {
			items = append(items, fmt.Sprintf("%q %s", v.Name, loss(v.Mean)))
		}
		if len(r.Single) > 0 && len(all) > 1 {
			end = "; one seed cannot show whether they differ"
		}
	} else {
		for _, t := range r.Tiers() {
			items = append(items, fmt.Sprintf("%s %s", place(t.Place), list(quoted(t.Names))))
		}
		for _, v := range r.Single {
			without = append(slices.Clone(without), v.Name)
		}
	}
	if len(without) > 0 {
		end += "; no place for " + list(quoted(without))
	}
	return by + ": " + strings.Join(items, ", ") + end + "."
}

func quoted(names []string) (quoted []string) {
	for _, n := range names {
		quoted = append(quoted, strconv.Quote(n))
	}
	return quoted
}
