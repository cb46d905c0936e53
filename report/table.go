package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"gorgonorm/runlog"
)

const terminal = 100 // columns of text

// Table writes one aligned line a run or, of a grid, one a variant, and below it
// what the runs show and which other runs are broken. It depends on neither the runs'
// order nor their speed.
func Table(w io.Writer, runs []runlog.Run, broken ...runlog.Broken) error {
	s, err := summarize(runs, broken...)
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

// writeAligned sets the first column flush left and the others, numbers, flush
// right, which text/tabwriter cannot do in one table.
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

// writeFacts lists what could be judged, and counts the rest.
func writeFacts(b *bytes.Buffer, fs []fact) {
	b.WriteString("What the literature predicts:\n")
	unjudged := 0
	for _, f := range fs {
		if f.Outcome == cannotBeJudged {
			unjudged++
			continue
		}
		b.WriteString(item(f.String()))
	}
	if unjudged > 0 {
		b.WriteString(item(fmt.Sprintf("%d of the %d predictions cannot be judged by these runs; the page says what that takes.", unjudged, len(fs))))
	}
}

// item is a sentence of a list, wrapped and indented.
func item(s string) string {
	lines := strings.TrimSuffix(wrap(s, terminal-2), "\n")
	return "- " + strings.ReplaceAll(lines, "\n", "\n  ") + "\n"
}

// wrap breaks s between words into lines of at most width characters.
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
