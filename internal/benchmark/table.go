package benchmark

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// missing is the cell of a value that does not exist.
const missing = "–"

// table is a table in Markdown, with its columns aligned for a terminal.
type table struct {
	rows [][]string // the first is the head
}

func newTable(head ...string) *table { return &table{[][]string{head}} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// write writes the table without the columns that have no value in any row.
func (t *table) write(w io.Writer) error {
	var columns, width []int
	for i := range t.rows[0] {
		n, some := 0, false
		for r, row := range t.rows {
			n = max(n, utf8.RuneCountInString(row[i]))
			some = some || r > 0 && row[i] != missing
		}
		if some {
			columns, width = append(columns, i), append(width, n)
		}
	}
	var b strings.Builder
	for r, row := range t.rows {
		for c, i := range columns {
			space := strings.Repeat(" ", width[c]-utf8.RuneCountInString(row[i]))
			if c == 0 {
				fmt.Fprintf(&b, "| %s%s ", row[i], space)
			} else {
				fmt.Fprintf(&b, "| %s%s ", space, row[i])
			}
		}
		b.WriteString("|\n")
		if r > 0 {
			continue
		}
		for c := range columns {
			if c == 0 {
				fmt.Fprintf(&b, "|-%s-", strings.Repeat("-", width[c]))
			} else {
				fmt.Fprintf(&b, "|-%s:", strings.Repeat("-", width[c]))
			}
		}
		b.WriteString("|\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// number formats v with three significant digits, or with all digits before the point if
// there are more.
func number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return missing
	case a >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case a >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// plural formats a number of things: "1 thread", "2 threads".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// duration formats a time in seconds.
func duration(s float64) string {
	switch {
	case math.IsNaN(s):
		return missing
	case s < 1e-3:
		return number(s*1e6) + " µs"
	case s < 1:
		return number(s*1e3) + " ms"
	}
	return number(s) + " s"
}

// atLeast formats the target of a ratio, if there is a ratio.
func atLeast(target, ratio float64) string {
	if math.IsNaN(ratio) {
		return missing
	}
	return fmt.Sprintf("≥ %g", target)
}
