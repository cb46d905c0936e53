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
	paragraph := func(sentences ...string) {
		for _, sentence := range sentences {
			b.WriteString(wrap(sentence, terminal))
		}
	}
	if len(s.Runs) > 0 {
		writeAligned(&b, s.table(false))
		b.WriteByte('\n')
		paragraph(s.Notes...)
		b.WriteByte('\n')
		writeFacts(&b, s.Facts)
		b.WriteByte('\n')
	}
	paragraph(s.title() + ".")
	paragraph(s.coverage()...)
	paragraph(s.Broken...)
	paragraph(s.Verdict...)
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
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
