package report

import (
	"errors"
	"fmt"
	"math"

	"gorgonorm/train"
)

// summary is all that is said about runs in words and numbers. Table and page
// render the same one, so they never disagree.
type summary struct {
	Rows    []row
	Verdict []string // sentences
	Notes   []string // sentences that the table needs to be read rightly
}

// row is one run under the name that tells it from the others.
type row struct {
	Name string
	train.Run
}

// column is one measure of a run.
type column struct {
	Head string
	Cell func(row) string
}

// columns are those of the table, the run's name first.
var columns = []column{
	{"norm", func(r row) string { return r.Name }},
	{"parameters", func(r row) string { return thousands(r.Summary.Parameters) }},
	{"first loss", func(r row) string { return loss(r.Summary.FirstLoss) }},
	{"last loss", func(r row) string { return loss(r.Summary.LastLoss) }},
	{"best val", func(r row) string { return loss(r.Summary.BestVal) }},
	{"last val", func(r row) string { return loss(r.Summary.LastVal) }},
	{"max grad norm", func(r row) string { return significant(r.Summary.MaxGradNorm) }},
	{"diverged", func(r row) string { return diverged(r.Summary.DivergedAt) }},
	{"tokens/s", func(r row) string { return speed(r.Summary.TokensPerSec) }},
}

func summarize(runs []train.Run) (summary, error) {
	if len(runs) == 0 {
		return summary{}, errors.New("report: no runs")
	}
	var s summary
	for i, name := range names(runs) {
		r := row{name, runs[i]}
		if m := &r.Summary; m.Steps == 0 { // its zeros were not measured
			nan := train.Float(math.NaN())
			m.FirstLoss, m.LastLoss, m.MaxGradNorm, m.TokensPerSec = nan, nan, nan, nan
		}
		s.Rows = append(s.Rows, r)
	}
	s.Verdict = verdict(s.Rows)
	s.Notes = notes(s.Rows)
	return s, nil
}

// Cells is the table's body, a string for each of columns.
func (s summary) Cells() [][]string {
	body := make([][]string, len(s.Rows))
	for i, r := range s.Rows {
		for _, c := range columns {
			body[i] = append(body[i], c.Cell(r))
		}
	}
	return body
}

func notes(rows []row) []string {
	out := []string{
		"Losses in nats per token, gradient norms before clipping; – is not measured or not a number.",
		fmt.Sprintf("Stable: all is finite, no training loss is above %d times the first, the last is not above the first.", explosion),
	}
	for _, r := range rows {
		if r.Summary.Interrupted {
			out = append(out, fmt.Sprintf("%q was stopped at step %d of %d.", r.Name, r.Summary.Steps, r.Config.Steps))
		}
	}
	return out
}
