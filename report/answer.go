package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// properNames are the norms' names in titles. "none" has none.
var properNames = map[string]string{
	"batch": "BatchNorm", "layer": "LayerNorm", "rms": "RMSNorm", "dyt": "DyT", "derf": "Derf", "scale": "ScaleNorm",
}

// proper returns a variant's name for a title: "RMSNorm post" for "rms post".
func proper(name string) string {
	norm, rest, _ := strings.Cut(name, " ")
	p, ok := properNames[norm]
	switch {
	case norm == "none":
		return strings.TrimSpace("no norm " + strings.TrimPrefix(rest, "pre")) // there is nothing to place
	case !ok:
		return strconv.Quote(name)
	case rest == "":
		return p
	}
	return p + " " + rest
}

// title returns the answer that the runs give, in a sentence without a period. It claims nothing
// of runs that are missing, and nothing that runs of too few steps cannot show.
func (s summary) title() string {
	switch c := s.Coverage; {
	case !s.LongEnough():
		return fmt.Sprintf("Too short to judge: runs of %d steps, want %d or more", s.fewestSteps(), results.EnoughSteps)
	case len(s.Rows) == 1 && c.Planned < 2:
		return s.answerOfOne()
	case !c.Complete():
		return fmt.Sprintf("Unfinished: %d of %s", c.Finished, count(c.Planned, "run"))
	}
	return s.answer()
}

func (s summary) fewestSteps() int {
	return slices.MinFunc(s.Runs, func(a, b runlog.Run) int { return a.Config.Steps - b.Config.Steps }).Config.Steps
}

// answerOfOne describes what became of the only run.
func (s summary) answerOfOne() string {
	r := s.Rows[0]
	name := proper(s.Variants[0].Name)
	text := upperFirst(name) + ": the run " + fate(r.Run)
	if val := r.Summary.LastVal; results.FateOf(r.Run) == results.Stable && val.Finite() {
		text += fmt.Sprintf(", to a validation loss of %s after %d steps", loss(val), r.Summary.Steps)
	}
	return text
}

// alike are variants that came out alike.
type alike struct {
	how   string // "" for those that were stable everywhere
	names []string
}

// outcomes groups the variants by what became of their runs, the stable ones first.
func (s summary) outcomes() (stable alike, lost []alike, all int) {
	for _, v := range s.Variants {
		if len(v.Runs) == 0 {
			continue
		}
		all++
		how := unstable(v)
		if how == "" {
			stable.names = append(stable.names, proper(v.Name))
			continue
		}
		at := slices.IndexFunc(lost, func(a alike) bool { return a.how == how })
		if at < 0 {
			at, lost = len(lost), append(lost, alike{how: how})
		}
		lost[at].names = append(lost[at].names, proper(v.Name))
	}
	return stable, lost, all
}

// answer says which variants were stable, and where the others were not.
func (s summary) answer() string {
	where := "in every run"
	if n := len(s.Rates()); s.Grid && n > 1 {
		where = fmt.Sprintf("at all %d learning rates", n)
	}
	stable, lost, all := s.outcomes()
	switch {
	case all == 0:
		return "No run has finished"
	case len(stable.names) == all && all > 1:
		return fmt.Sprintf("All %d variants trained stably %s", all, where)
	case len(lost) == 1 && len(lost[0].names) == all && all > 1:
		return fmt.Sprintf("All %d variants %s", all, lost[0].how)
	}
	var clauses []string
	if len(stable.names) > 0 {
		clauses = append(clauses, some(stable.names, all)+" trained stably "+where)
	}
	const mostClauses = 2
	others := 0
	for i, l := range lost {
		if i < mostClauses {
			clauses = append(clauses, lostClause(l.names, l.how, all))
		} else {
			others += len(l.names)
		}
	}
	if others > 0 {
		clauses = append(clauses, count(others, "other")+" partly unstable")
	}
	return upperFirst(strings.Join(clauses, "; "))
}

func lostClause(names []string, how string, all int) string {
	if len(names) == 1 && names[0] == "no norm" {
		return "without a norm training " + how
	}
	return some(names, all) + " " + how
}

// some lists names, or counts them if they are many.
func some(names []string, all int) string {
	const most = 3
	if len(names) > most {
		return fmt.Sprintf("%d of %d variants", len(names), all)
	}
	return list(names)
}

// unstable says where a variant lost stability and where it diverged, "" if nowhere.
func unstable(v results.Variant) string {
	lost := v.UnstableRates()
	var diverged []runlog.Float
	for _, lr := range lost {
		if v.DivergedAt(lr) > 0 {
			diverged = append(diverged, lr)
		}
	}
	switch len(diverged) {
	case len(lost):
		return at("diverged", lost, v.Rates)
	case 0:
		return at("lost stability", lost, v.Rates)
	}
	return at("lost stability", lost, v.Rates) + " and " + at("diverged", diverged, v.Rates)
}

// at says at which of all learning rates something happened, "" if at none.
func at(what string, some, all []runlog.Float) string {
	first := len(all) - len(some)
	switch {
	case len(some) == 0:
		return ""
	case len(all) == 1:
		return what
	case first == 0:
		return what + " at every learning rate"
	case len(some) > 1 && slices.Equal(some, all[first:]):
		return what + " from " + rate(some[0])
	}
	return what + " at " + rates(some)
}

// coverage says what is missing from the plan, and what is not run because it is the same.
func (s summary) coverage() (sentences []string) {
	c := s.Coverage
	if c.Planned > 0 && c.Finished == 0 {
		sentences = append(sentences, fmt.Sprintf("None of %s has finished.", count(c.Planned, "run")))
	} else if !c.Complete() {
		sentence := fmt.Sprintf("%d of %s are finished", c.Finished, count(c.Planned, "run"))
		var missing []string
		if len(c.Rates) > 0 {
			missing = append(missing, s.missingRates())
		}
		if len(c.Kinds) > 0 {
			missing = append(missing, list(quoted(c.Kinds)))
		}
		if len(c.Seeds) > 0 {
			var seeds []string
			for _, seed := range c.Seeds {
				seeds = append(seeds, fmt.Sprint(seed))
			}
			missing = append(missing, plural(len(seeds), "seed")+" "+list(seeds))
		}
		const most = 4
		switch n := len(c.Others); {
		case n > most:
			missing = append(missing, fmt.Sprintf("%d single runs", n))
		case n > 0:
			missing = append(missing, list(quoted(c.Others)))
		}
		sentences = append(sentences, sentence+"; missing: "+strings.Join(missing, "; ")+".")
	}
	same := make(map[string][]string)
	var order []string
	for _, d := range c.Same {
		if same[d.As] == nil {
			order = append(order, d.As)
		}
		same[d.As] = append(same[d.As], d.Kind)
	}
	for _, as := range order {
		sentences = append(sentences, fmt.Sprintf("%q is run once: %s would compute the same.", as, list(quoted(same[as]))))
	}
	return sentences
}

// missingRates names the rates that are missing, in short if they are the largest.
func (s summary) missingRates() string {
	missing := s.Coverage.Rates
	largest := !slices.ContainsFunc(s.Rates(), func(lr runlog.Float) bool { return lr > missing[0] })
	if len(missing) > 1 && largest {
		return "rates from " + rate(missing[0])
	}
	return plural(len(missing), "rate") + " " + rates(missing)
}

func upperFirst(s string) string {
	for i, r := range s {
		return strings.ToUpper(string(r)) + s[i+len(string(r)):]
	}
	return s
}
