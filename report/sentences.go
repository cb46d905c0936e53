package report

import (
	_ "embed"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"text/template"

	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

//go:embed sentences.tmpl
var sentencesText string

var sentencesTemplate = template.Must(template.New("sentences").Funcs(template.FuncMap{
	"atRates":   atRates,
	"byNorm":    byNorm,
	"chance":    chance,
	"explosion": func() float64 { return results.Explosion },
	"join":      func(items []string) string { return strings.Join(items, ", ") },
	"leastGap":  func() float64 { return results.LeastGap },
	"loss":      loss,
	"names":     settingNames,
	"overlap":   overlap,
	"plusMinus": plusMinus,
	"quote":     strconv.Quote,
	"rate":      rate,
	"rates":     rates,
	"size":      significant,
	"sizes":     func(r results.Range) string { return span(r, significant) },
	"span":      func(r results.Range) string { return span(r, rate) },
	"tolerance": func() float64 { return results.Tolerance },
}).Parse(sentencesText))

var blankLine = regexp.MustCompile(`\n\s*\n`)

// paragraphs returns the paragraphs of one of the templates, each as one line.
func paragraphs(name string, data any) (lines []string, err error) {
	var b strings.Builder
	if err := sentencesTemplate.ExecuteTemplate(&b, name, data); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	for _, p := range blankLine.Split(b.String(), -1) {
		if p = strings.TrimSpace(p); p != "" {
			lines = append(lines, strings.ReplaceAll(p, "\n", " "))
		}
	}
	return lines, nil
}

// notes returns the sentences without which the table would be misread.
func (s summary) notes() ([]string, error) {
	n := struct {
		summary
		Weights          string
		Starts, NotBelow []string
		FirstOrigins     []results.Origin
		MoreOrigins      int
	}{summary: s, Weights: weights(s.Runs)}
	if s.Loaded() {
		n.Starts, n.NotBelow = starts(s.Variants)
	}
	n.FirstOrigins = s.Origins()
	if more := len(n.FirstOrigins) - mostOrigins; more > 0 {
		n.FirstOrigins, n.MoreOrigins = n.FirstOrigins[:mostOrigins], more
	}
	return paragraphs("notes", n)
}

// mostOrigins is the number of origins of a first NaN or infinity that are listed.
const mostOrigins = 8

// starts lists the variants' validation losses before the first step, and the numbers
// of runs that did not end below them.
func starts(vs []results.Variant) (losses, notBelow []string) {
	for _, v := range vs {
		if len(v.Runs) > 0 {
			losses = append(losses, fmt.Sprintf("%q %s", v.Name, span(v.InitVals(), loss)))
		}
		if n := v.NotBelowInit(); n > 0 {
			notBelow = append(notBelow, fmt.Sprintf("%q %d of %d", v.Name, n, len(v.Runs)))
		}
	}
	return losses, notBelow
}

// weights names the weights that runs started from, "" if all are random.
func weights(runs []runlog.Run) string {
	var from []string
	for _, r := range runs {
		if r.Config.InitSHA256 != "" {
			from = append(from, strconv.Quote(weightsName(r.Config.Init)))
		}
	}
	return list(distinct(from))
}

// fact is a prediction of the literature and what the runs show of it.
type fact struct {
	Claim   string
	Source  string
	Found   string // the numbers, or what is missing
	Outcome outcome
}

type outcome results.Outcome

func (o outcome) String() string {
	return [...]string{
		results.CannotBeJudged: "cannot be judged",
		results.AsPredicted:    "as predicted",
		results.NotAsPredicted: "not as predicted",
		results.NoDifference:   "no difference",
	}[o]
}

// String returns the fact without the number of the paper.
func (f fact) String() string {
	authors, _, _ := strings.Cut(f.Source, ", arXiv")
	outcome := f.Outcome.String()
	return fmt.Sprintf("%s: %s (%s). %s", strings.ToUpper(outcome[:1])+outcome[1:], f.Claim, authors, f.Found)
}

// facts returns the predictions, each with its outcome and the numbers behind it.
func (s summary) facts() (facts []fact, err error) {
	p := s.Predictions()
	for _, c := range []struct {
		template string
		outcome  results.Outcome
		data     any
		trained  bool // whether it is about trained models
	}{
		{"growth", p.Growth.Outcome, p.Growth, true},
		{"pre-norm", p.PreNorm.Outcome, p.PreNorm, false},
		{"post-norm", p.PostNorm.Outcome, p.PostNorm, false},
		{"qk-norm", p.QKNorm.Outcome, p.QKNorm, true},
		{"layer-rms", p.LayerRMS.Outcome, p.LayerRMS, true},
		{"gap", p.BatchGap.Outcome, p.BatchGap, true},
	} {
		lines, err := paragraphs(c.template, c.data)
		if err != nil {
			return nil, err
		}
		f := fact{lines[0], lines[1], lines[2], outcome(c.outcome)}
		if c.trained && !s.judged() {
			f.Outcome, f.Found = outcome(results.CannotBeJudged), upperFirst(s.unjudged())+"."
		}
		if s.Loaded() {
			f.Found = fmt.Sprintf(
				"It is about training from random weights, and these runs start from %s.", weights(s.Runs))
		}
		facts = append(facts, f)
	}
	return facts, nil
}

// atRates returns the number of learning rates, and which they are if only some of all.
func atRates(some []runlog.Float, all int) string {
	if n := len(some); n > 0 && n < all {
		return fmt.Sprintf("%d (%s)", n, rates(some))
	}
	return fmt.Sprint(len(some))
}

// byNorm lists a measure under each norm: "none" 12.3, "layer" 4.56.
func byNorm(measures results.ByNorm) string {
	var items []string
	for _, m := range measures {
		items = append(items, strconv.Quote(m.Norm)+" "+significant(m.Value))
	}
	return strings.Join(items, ", ")
}

func overlap(o results.Overlap) string {
	return [...]string{
		results.OneSeed:     "one seed",
		results.Overlapping: "seeds overlap",
		results.Apart:       "seeds apart",
	}[o]
}
