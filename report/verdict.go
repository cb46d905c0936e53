package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gorgonorm/runlog"
)

// verdict says what the runs show, and how little one seed proves. Names are
// quoted, for one of the norms is called none.
func verdict(rows []row) []string {
	return []string{stability(rows), best(rows), caveat(rows)}
}

// stability says which runs stayed stable and which did not.
func stability(rows []row) string {
	var names, outcomes []string
	for _, r := range rows {
		names, outcomes = append(names, r.Name), append(outcomes, outcome(r))
	}
	return grouped(names, outcomes, "runs")
}

// grouped is a sentence in which those of the same outcome share a clause, in
// the order of the first of each.
func grouped(names, outcomes []string, many string) string {
	var clauses []string
	who := map[string][]string{}
	for i, o := range outcomes {
		if who[o] == nil {
			clauses = append(clauses, o)
		}
		who[o] = append(who[o], strconv.Quote(names[i]))
	}
	if len(clauses) == 1 && len(names) > 1 {
		return fmt.Sprintf("All %d %s %s.", len(names), many, clauses[0])
	}
	for i, o := range clauses {
		clauses[i] = list(who[o]) + " " + o
	}
	return strings.Join(clauses, "; ") + "."
}

// outcome is what became of a run, in words that fit one run and many.
func outcome(r row) string {
	s, top := r.Summary, highestLoss(r.Steps)
	switch {
	case s.DivergedAt > 0 && s.Divergence.AtTheEnd():
		return fmt.Sprintf("diverged: at step %d it was %s", s.DivergedAt, s.Divergence)
	case s.DivergedAt > 0:
		return fmt.Sprintf("diverged at step %d", s.DivergedAt)
	case s.Steps == 0:
		return "took no step"
	case s.Steps == 1:
		return "took one step, too few to judge by"
	case !s.FirstLoss.Finite() || !s.LastLoss.Finite():
		return "left no finite loss to judge by"
	case top.Loss > explosion*s.FirstLoss:
		return fmt.Sprintf("did not diverge, but the loss rose to %s at step %d", loss(top.Loss), top.Step)
	case s.LastLoss > s.FirstLoss:
		return "did not diverge, but ended above the first loss"
	case s.Interrupted:
		return fmt.Sprintf("stayed stable until stopped at step %d", s.Steps)
	default:
		return "stayed stable"
	}
}

// explosion is how many times its first value a loss may reach before its run
// is no longer called stable. Gradient clipping can keep such a run finite for
// as long as it lasts.
const explosion = 2

// highestLoss is the step of the highest finite training loss.
func highestLoss(steps []runlog.Step) (top runlog.Step) {
	for _, s := range steps {
		if s.Loss.Finite() && s.Loss > top.Loss {
			top = s
		}
	}
	return top
}

// best names the lowest best validation loss. Losses equal as printed are equal.
func best(rows []row) string {
	var ranked []row
	for _, r := range rows {
		if r.Summary.BestVal.Finite() {
			ranked = append(ranked, r)
		}
	}
	if len(ranked) == 0 {
		return "No run has a validation loss."
	}
	slices.SortStableFunc(ranked, func(a, b row) int {
		return cmp.Compare(a.Summary.BestVal, b.Summary.BestVal)
	})
	value := loss(ranked[0].Summary.BestVal)
	var first []string
	for _, r := range ranked {
		if loss(r.Summary.BestVal) == value {
			first = append(first, called(r))
		}
	}
	if len(ranked) == 1 {
		return fmt.Sprintf("The only validation loss, %s nats per token at best, is that of %s.", value, first[0])
	}
	s := fmt.Sprintf("The lowest best validation loss, %s nats per token, is that of %s", value, list(first))
	if len(first) < len(ranked) {
		next := ranked[len(first)]
		s += fmt.Sprintf("; next is %s with %s", called(next), loss(next.Summary.BestVal))
	}
	return s + "."
}

// called is a run's quoted name; a best loss from before a divergence says so.
func called(r row) string {
	s := strconv.Quote(r.Name)
	switch {
	case r.Summary.DivergedAt > 0 && r.Summary.Divergence.AtTheEnd():
		s += fmt.Sprintf(" (though it ended %s)", r.Summary.Divergence)
	case r.Summary.DivergedAt > 0:
		s += " (before it diverged)"
	}
	return s
}

// caveat says how far the losses can be compared.
func caveat(rows []row) string {
	seeds, texts := map[uint64]bool{}, map[string]bool{}
	for _, r := range rows {
		seeds[r.Config.Seed] = true
		texts[r.Config.DataSHA256] = true
	}
	var s string
	switch {
	case len(texts) > 1:
		s = "The runs read different texts, so their losses do not compare."
	case len(seeds) > 1:
		s = fmt.Sprintf("The runs use %d seeds; differences no larger than those between seeds say nothing.", len(seeds))
	default:
		s = "One seed was run, so small differences say nothing."
	}
	if loaded(rows) != "" {
		s += " The loaded weights may fit one variant better than another: the losses tell how each goes on from them, not how it trains from random ones."
	}
	return s
}
