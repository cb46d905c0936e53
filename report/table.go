package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"gorgonorm/train"
)

const terminal = 100 // columns of text

// Table writes one aligned line a run, and below it what the runs show.
func Table(w io.Writer, runs []train.Run) error {
	s, err := summarize(runs)
	if err != nil {
		return err
	}
	lines := [][]string{make([]string, len(columns))}
	for i, c := range columns {
		lines[0][i] = c.Head
	}
	lines = append(lines, s.Cells()...)

	var b bytes.Buffer
	writeAligned(&b, lines)
	b.WriteByte('\n')
	for _, sentence := range s.Notes {
		b.WriteString(wrap(sentence, terminal))
	}
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
func writeAligned(b *bytes.Buffer, lines [][]string) {
	width := make([]int, len(lines[0]))
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
