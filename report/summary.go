package report

import (
	"errors"

	"gorgonorm/runlog"
)

// summary is all that is said about runs in words and numbers. Table and page
// render the same one, so they never disagree.
type summary struct {
	Rows     []row
	Variants []variant
	Grid     bool     // some variant has several runs
	Verdict  []string // sentences
	Notes    []string // sentences that the table needs to be read rightly
	Facts    []fact
}

// row is one run under the name that tells it from the others.
type row struct {
	Name string
	runlog.Run
}

func summarize(runs []runlog.Run, broken ...runlog.Broken) (summary, error) {
	if len(runs) == 0 {
		return summary{}, errors.New("report: no runs")
	}
	runs = sorted(runs)
	var s summary
	for i, name := range names(runs) {
		r := row{name, runs[i]}
		if m := &r.Summary; m.Steps == 0 { // its zeros were not measured
			m.FirstLoss, m.LastLoss, m.MedianGradNorm, m.MaxGradNorm = notANumber, notANumber, notANumber, notANumber
		}
		if m := &r.Summary; m.SpikeWindow == 0 {
			m.LossSpikes, m.GradSpikes = notANumber, notANumber
		}
		s.Rows = append(s.Rows, r)
	}
	s.Variants = variants(s.Rows)
	s.Grid = len(s.Variants) < len(s.Rows)
	s.Facts = facts(s)
	if s.Grid {
		s.Verdict = gridVerdict(s)
	} else {
		s.Verdict = verdict(s.Rows)
	}
	s.Notes = append(leftOut(broken), notes(s)...)
	return s, nil
}

// table is the main one: a line a variant of a grid, or else a line a run.
func (s summary) table(wide bool) table {
	if s.Grid {
		return tabulate(variantColumns, wide, s.Variants)
	}
	return tabulate(runColumns, wide, s.Rows)
}
