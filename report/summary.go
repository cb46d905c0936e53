// Package report turns the records of training runs into a table for the terminal and
// one HTML page. It depends on the records, of package runlog, and not on what makes
// them.
//
// Runs that share norm, placement and qk-norm are one variant. If a variant has several
// runs, over learning rates and seeds, the variants are compared.
//
// The work has three parts with one direction: package results computes numbers from
// records, package chart draws plain data, and this package, which imports both, chooses
// what is shown and writes the sentences.
package report

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// summary is what table and page both show.
type summary struct {
	results.Results
	Coverage results.Coverage
	Plan     *runlog.Plan // nil if it is not known
	Broken   []string     // sentences about directories that are left out
	Rows     []row
	Verdict  []string // sentences
	Notes    []string // sentences that explain the table
	Facts    []fact
	settings
}

// row is a run with a name that no other has.
type row struct {
	Name string
	runlog.Run
}

func summarize(records runlog.Records) (summary, error) {
	if len(records.Runs)+len(records.Broken) == 0 && records.Plan == nil {
		return summary{}, errors.New("report: no runs")
	}
	s := summary{
		Results: results.Of(records.Runs), Coverage: results.CoverageOf(records),
		Plan: records.Plan, Broken: leftOut(records.Broken),
	}
	if len(s.Runs) == 0 {
		return s, nil
	}
	if !s.judged() {
		for i := range s.Variants {
			s.Variants[i].Place, s.Variants[i].SensitivityPlace = runlog.Place{}, runlog.Place{}
		}
	}
	s.settings = settingsOf(s.Results)
	for i, name := range names(s.Runs) {
		s.Rows = append(s.Rows, row{name, s.Runs[i]})
	}
	s.Verdict = s.verdict()
	var err error
	if s.Facts, err = s.facts(); err != nil {
		return s, err
	}
	s.Notes, err = s.notes()
	return s, err
}

// judged reports whether the runs can be compared: all planned runs have finished, and none is
// too short.
func (s summary) judged() bool { return s.Coverage.Complete() && s.LongEnough() }

// leftOut names the runs that cannot be used.
func leftOut(broken []runlog.Broken) (sentences []string) {
	for _, b := range broken {
		sentences = append(sentences, fmt.Sprintf("%q is left out because it is broken: %s.", b.Name, b.Reason))
	}
	return sentences
}

// errNoWriter is the error of all functions that write.
var errNoWriter = errors.New("report: the writer is nil")

// Speed writes one line with the tokens that each variant trains on in a second, the
// median over its runs. It is separate from Table and HTML because the speed of a run
// varies.
func Speed(w io.Writer, runs []runlog.Run) error {
	if w == nil {
		return errNoWriter
	}
	if len(runs) == 0 {
		return errors.New("report: no runs")
	}
	r := results.Of(runs)
	var speeds []string
	for _, v := range r.Variants {
		speeds = append(speeds, v.Name+" "+speed(r.Speed(v.Kind)))
	}
	if _, err := fmt.Fprintf(w, "Speed, tokens/s: %s\n", strings.Join(speeds, ", ")); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
