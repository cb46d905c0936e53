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

// Table writes an aligned line for each run or, of a grid, for each variant, and below
// them what the runs show, what is missing and what is broken, in lines of at most width
// characters, if that is 40 or more. The output depends neither on the order of the runs nor on
// their speed.
func Table(w io.Writer, records runlog.Records, width int) error {
	if w == nil {
		return errNoWriter
	}
	width = max(width, 40)
	s, err := summarize(records)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	paragraph := func(sentences ...string) {
		for _, sentence := range sentences {
			b.WriteString(wrap(sentence, width))
		}
	}
	if len(s.Runs) > 0 {
		writeAligned(&b, s.table(false), width)
		b.WriteByte('\n')
		paragraph(s.Notes...)
		b.WriteByte('\n')
		writeFacts(&b, s.Facts, width)
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

// writeAligned aligns the first column left and the others, which are numbers, right. If the lines
// are too long, it writes several tables below each other, each with the first column.
// text/tabwriter cannot do both in one table.
func writeAligned(b *bytes.Buffer, t table, width int) {
	const gap = 2
	lines := append([][]string{t.Head}, t.Body...)
	widths := make([]int, len(t.Head))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for from := 1; from < len(t.Head); {
		to, used := from, widths[0]
		for to < len(t.Head) && (to == from || used+gap+widths[to] <= width) {
			used += gap + widths[to]
			to++
		}
		if from > 1 {
			b.WriteByte('\n')
		}
		for _, line := range lines {
			fmt.Fprintf(b, "%-*s", widths[0], line[0])
			for i := from; i < to; i++ {
				fmt.Fprintf(b, "%*s%*s", gap, "", widths[i], line[i])
			}
			b.WriteByte('\n')
		}
		from = to
	}
}

// writeFacts lists the facts that could be judged, and counts the others.
func writeFacts(b *bytes.Buffer, fs []fact, width int) {
	b.WriteString("What the literature predicts:\n")
	unjudged := 0
	for _, f := range fs {
		if !results.Outcome(f.Outcome).Judged() {
			unjudged++
			continue
		}
		b.WriteString(item(f.String(), width))
	}
	if unjudged > 0 {
		b.WriteString(item(fmt.Sprintf(
			"These runs cannot judge %d of the %d predictions; the page lists what each needs.",
			unjudged, len(fs)), width))
	}
}

// item wraps and indents an item of a list.
func item(s string, width int) string {
	lines := strings.TrimSuffix(wrap(s, width-2), "\n")
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
