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
	if !s.Grid {
		return []string{stability(s.Rows), s.best(), s.caveat()}
	}
	sentences := []string{divergence(s.Variants)}
	ordered := false
	for _, by := range []struct {
		what    string
		ranking results.Ranking
	}{
		{"By the loss at its best rate", s.ByLoss()},
		{"By LR sensitivity", s.BySensitivity()},
	} {
		sentence, before := ranking(by.what, by.ranking)
		if sentence != "" {
			sentences = append(sentences, sentence)
		}
		ordered = ordered || before
	}
	caveat := s.caveat()
	if ordered {
		caveat += fmt.Sprintf(
			" Of two variants that do not differ, one comes before the other by chance in %s of cases.",
			chance(s.FewestSeeds()))
	}
	return append(sentences, caveat)
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
	if len(ranked) == 0 {
		return "No run has a validation loss."
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

// divergence names the variants that never diverged, and counts the diverged runs of the
// others and their learning rates.
func divergence(vs []results.Variant) string {
	var names, fates []string
	stable := true
	for _, v := range vs {
		stable = stable && v.Diverged == 0 && len(v.Runs) > 0
		names, fates = append(names, v.Name), append(fates, variantFate(v))
	}
	if stable && len(vs) > 1 {
		return fmt.Sprintf("None of the %d variants diverged.", len(vs))
	}
	return grouped(names, fates, "variants")
}

func variantFate(v results.Variant) string {
	switch n := len(v.Runs); {
	case n == 0:
		return "left no finished run"
	case v.Diverged == 0:
		return "never diverged"
	case v.Diverged == n:
		return "diverged in every run"
	}
	lost := v.LostRates()
	where := ", at lr " + rates(lost)
	switch first := len(v.Rates) - len(lost); {
	case len(v.Rates) == 1:
		where = ""
	case first == 0:
		where = ", at every learning rate"
	case len(lost) > 1 && slices.Equal(lost, v.Rates[first:]):
		where = fmt.Sprintf(", from lr %s on", rate(lost[0]))
	}
	return fmt.Sprintf("diverged in %d of %d runs%s", v.Diverged, len(v.Runs), where)
}

// ranking returns a sentence with the order of the variants by a measure, "" if no variant
// has a value, and reports whether it puts a variant before another. It does so only if
// their seeds do not overlap.
func ranking(by string, r results.Ranking) (sentence string, ordered bool) {
	if len(r.Several)+len(r.Single) == 0 {
		return "", false
	}
	without := r.Without
	s := by + ": "
	if len(r.Several) < 2 {
		all := r.ByMean()
		var items []string
		for _, r := range all {
			items = append(items, fmt.Sprintf("%q %s", r.Name, loss(r.Mean)))
		}
		s += strings.Join(items, ", ")
		if len(r.Single) > 0 && len(all) > 1 {
			s += "; one seed cannot show whether they differ"
		}
	} else {
		var groups []string
		for _, g := range r.Groups() {
			names, before := group(g)
			groups = append(groups, names)
			ordered = ordered || before
		}
		ordered = ordered || len(groups) > 1
		s += strings.Join(groups, " before ")
		without = append(slices.Clone(without), rankedNames(r.Single)...)
	}
	if len(without) > 0 {
		s += "; no place for " + list(quoted(without))
	}
	return s + ".", ordered
}

// mostClauses is the number of orders within a group that are listed.
const mostClauses = 4

// group names variants that cannot be separated and the orders that are known among them,
// and reports whether there are any.
func group(rs []results.Ranked) (names string, ordered bool) {
	var clauses []string
	for _, a := range rs {
		var above []results.Ranked
		for _, b := range rs {
			if a.Below(b) {
				above = append(above, b)
			}
		}
		if len(above) > 0 {
			clauses = append(clauses, fmt.Sprintf("%q before %s", a.Name, list(quoted(rankedNames(above)))))
		}
	}
	names = list(quoted(rankedNames(rs)))
	switch {
	case len(rs) == 1:
		return names, false
	case len(clauses) == 0:
		return names + " (no difference between them: their seeds overlap)", false
	case len(clauses) > mostClauses:
		return names + " (many of their seeds overlap; see the places)", false
	default:
		return names + " (their seeds overlap, except " + list(clauses) + ")", true
	}
}

func rankedNames(rs []results.Ranked) (names []string) {
	for _, r := range rs {
		names = append(names, r.Name)
	}
	return names
}

func quoted(names []string) (quoted []string) {
	for _, n := range names {
		quoted = append(quoted, strconv.Quote(n))
	}
	return quoted
}
