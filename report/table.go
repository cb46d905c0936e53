package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

const terminal = 100 // characters in a line of text

// Table writes an aligned line for each run or, of a grid, for each variant, and below
// them what the runs show and which other runs are broken. The output depends neither
// on the order of the runs nor on their speed.
func Table(w io.Writer, records runlog.Records) error {
	s, err := summarize(records)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	writeAligned(&b, s.table(false))
	b.WriteByte('\n')
	for _, sentence := range s.Notes {
		b.WriteString(wrap(sentence, terminal))
	}
	b.WriteByte('\n')
	writeFacts(&b, s.Facts)
	b.WriteByte('\n')
	for _, sentence := range s.Verdict {
		b.WriteString(wrap(sentence, terminal))
	}
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// column is a measure of a run or of a variant.
type column[T any] struct {
	Head string
	Cell func(T) string
	wide bool // only for the page, because a terminal is narrow
}

// runColumns are those of a run, its name first.
var runColumns = []column[row]{
	{Head: "run", Cell: func(r row) string { return r.Name }},
	{Head: "parameters", Cell: func(r row) string { return thousands(r.Summary.Parameters) }},
	{Head: "init val", Cell: func(r row) string { return loss(r.Summary.InitVal) }},
	{Head: "first loss", Cell: func(r row) string { return loss(r.Summary.FirstLoss) }},
	{Head: "last loss", Cell: func(r row) string { return loss(r.Summary.LastLoss) }},
	{Head: "best val", Cell: func(r row) string { return loss(r.Summary.BestVal) }},
	{Head: "last val", Cell: func(r row) string { return loss(r.Summary.LastVal) }},
	{Head: "max grad norm", Cell: func(r row) string { return significant(r.Summary.MaxGradNorm) }},
	{Head: "spikes, %", Cell: func(r row) string { return pair(r.Summary.LossSpikes, r.Summary.GradSpikes) }},
	{Head: "diverged", Cell: func(r row) string { return diverged(r.Summary) }},
}

// variantColumns are those of a variant, its name first.
var variantColumns = []column[results.Variant]{
	{Head: "variant", Cell: func(v results.Variant) string { return v.Name }},
	{Head: "best loss", Cell: func(v results.Variant) string { return plusMinus(v.Best, v.BestStd) }},
	{Head: "at lr", Cell: func(v results.Variant) string { return rate(v.BestLR) }},
	{Head: "place", Cell: func(v results.Variant) string { return place(v.Place) }},
	{Head: "LR sens.", Cell: func(v results.Variant) string { return plusMinus(v.Sensitivity, v.SensitivityStd) }},
	{Head: "place", Cell: func(v results.Variant) string { return place(v.SensitivityPlace) }},
	{Head: "top lr", Cell: func(v results.Variant) string { return rate(v.LargestLR) }},
	{Head: "diverged", Cell: func(v results.Variant) string {
		return fmt.Sprintf("%d of %d", v.Diverged, len(v.Runs))
	}},
	{Head: "grad norm", Cell: func(v results.Variant) string { return significant(v.MedianGradNorm) }},
	{Head: "its max", Cell: func(v results.Variant) string { return significant(v.MaxGradNorm) }, wide: true},
	{Head: "its CV", Cell: func(v results.Variant) string { return significant(v.GradNormCV) }, wide: true},
	{Head: "spikes, %", Cell: func(v results.Variant) string { return pair(v.LossSpikes, v.GradSpikes) }},
	{Head: "gap", Cell: func(v results.Variant) string { return loss(v.Gap) }},
}

// table is the text of lines and columns, for the terminal and the page.
type table struct {
	Head []string
	Body [][]string
}

func tabulate[T any](columns []column[T], wide bool, items []T) table {
	t := table{Body: make([][]string, len(items))}
	for _, c := range columns {
		if c.wide && !wide {
			continue
		}
		t.Head = append(t.Head, c.Head)
		for i, item := range items {
			t.Body[i] = append(t.Body[i], c.Cell(item))
		}
	}
	return t
}

// table returns the main table: a line for each variant of a grid, or else for each run.
func (s summary) table(wide bool) table {
	if s.Grid {
		return tabulate(variantColumns, wide, s.Variants)
	}
	return tabulate(runColumns, wide, s.Rows)
}

// writeAligned aligns the first column left and the others, which are numbers, right.
// text/tabwriter cannot do both in one table.
func writeAligned(b *bytes.Buffer, t table) {
	lines := append([][]string{t.Head}, t.Body...)
	width := make([]int, len(t.Head))
	for _, line := range lines {
		for i, cell := range line {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	for _, line := range lines {
		fmt.Fprintf(b, "%-*s", width[0], line[0])
		for i, cell := range line[1:] {
			fmt.Fprintf(b, "  %*s", width[i+1], cell)
		}
		b.WriteByte('\n')
	}
}

// writeFacts lists the facts that could be judged, and counts the others.
func writeFacts(b *bytes.Buffer, fs []fact) {
	b.WriteString("What the literature predicts:\n")
	unjudged := 0
	for _, f := range fs {
		if !results.Outcome(f.Outcome).Judged() {
			unjudged++
			continue
		}
		b.WriteString(item(f.String()))
	}
	if unjudged > 0 {
		b.WriteString(item(fmt.Sprintf(
			"These runs cannot judge %d of the %d predictions; the page lists what each needs.",
			unjudged, len(fs))))
	}
}

// item wraps and indents an item of a list.
func item(s string) string {
	lines := strings.TrimSuffix(wrap(s, terminal-2), "\n")
	return "- " + strings.ReplaceAll(lines, "\n", "\n  ") + "\n"
}

// wrap breaks s between words into lines of at most width characters each.
func wrap(s string, width int) string {
	var b strings.Builder
	column := 0
	for _, word := range strings.Fields(s) {
		n := utf8.RuneCountInString(word)
		switch {
		case column == 0:
		case column+1+n > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	b.WriteByte('\n')
	return b.String()
}
