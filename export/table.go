package export

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"gorgonorm/runlog"
)

// Table has a line for each run, step and place at which one of the measures was taken.
type Table struct {
	Columns []string // of the runs' axes, step and place, without those that are empty; then the measures
	Rows    [][]Cell
}

// Cell is a text, or a number that was measured or that is missing.
type Cell struct {
	Text   string
	Value  *runlog.Float // nil for a text, and for what was not measured
	isJSON bool          // whether Text is a JSON number or bool
}

// keys are the columns before the measures.
var keys = []string{
	"run", "norm", "placement", "qk_norm", "lr", "order", "text_share", "norm_noise", "seed", "step", "place",
}

// TableOf returns measures of runs. What was measured once in a run has no step, and what was
// measured of the whole model has no place.
func TableOf(runs []runlog.Run, measures []Measure) Table {
	t := Table{Columns: slices.Clone(keys)}
	for _, m := range measures {
		name := m.Name
		if slices.Contains(keys, name) {
			name = "step_" + name // the rate of a step, beside that of the run
		}
		t.Columns = append(t.Columns, name)
	}
	for _, r := range runs {
		t.Rows = append(t.Rows, rows(r, measures)...)
	}
	for _, key := range keys {
		t.dropIfEmpty(key)
	}
	return t
}

// rows returns the rows of a run by step.
func rows(r runlog.Run, measures []Measure) (rows [][]Cell) {
	type at struct {
		step  int
		place string
	}
	var order []at
	values := make(map[at][]*runlog.Float)
	for i, m := range measures {
		if m.points == nil { // it is none of Measures
			continue
		}
		for _, p := range m.points(r) {
			here := at{p.step, p.place}
			if values[here] == nil {
				values[here] = make([]*runlog.Float, len(measures))
				order = append(order, here)
			}
			values[here][i] = &p.value
		}
	}
	slices.SortStableFunc(order, func(a, b at) int { return a.step - b.step })
	for _, here := range order {
		row := append(axes(r.Config), unlessZero(float64(here.step)), Cell{Text: here.place})
		for _, v := range values[here] {
			row = append(row, Cell{Value: v})
		}
		rows = append(rows, row)
	}
	return rows
}

func axes(c runlog.Config) []Cell {
	literal := func(text string) Cell { return Cell{Text: text, isJSON: true} }
	return []Cell{
		{Text: c.ID()}, {Text: c.Norm}, {Text: c.Placement}, literal(strconv.FormatBool(c.QKNorm)),
		literal(strconv.FormatFloat(c.LR, 'g', -1, 64)), {Text: c.Order}, unlessZero(c.TextShare), unlessZero(c.NormNoise),
		literal(strconv.FormatUint(c.Seed, 10)),
	}
}

// unlessZero returns a cell that is empty for 0.
func unlessZero(v float64) Cell {
	if v == 0 {
		return Cell{}
	}
	return Cell{Text: strconv.FormatFloat(v, 'f', -1, 64), isJSON: true}
}

// dropIfEmpty removes a column that no row has.
func (t *Table) dropIfEmpty(name string) {
	at := slices.Index(t.Columns, name)
	if slices.ContainsFunc(t.Rows, func(row []Cell) bool { return row[at].Text != "" }) {
		return
	}
	t.Columns = slices.Delete(t.Columns, at, at+1)
	for i := range t.Rows {
		t.Rows[i] = slices.Delete(t.Rows[i], at, at+1)
	}
}

// Write writes the table in a format: "table", aligned and with four digits, or "csv" or "json",
// with all digits. In CSV, what was not measured is empty, and numbers that are not finite are NaN,
// +Inf and -Inf. JSON is a list of objects, without what was not measured, and with numbers that
// are not finite as strings.
func (t Table) Write(w io.Writer, format string) error {
	var err error
	switch format {
	case "table":
		err = t.writeAligned(w)
	case "csv":
		err = t.writeCSV(w)
	case "json":
		err = t.writeJSON(w)
	default:
		return fmt.Errorf("export: the format is %q, want table, csv or json", format)
	}
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// text returns the cell with so many digits, -1 for all.
func (c Cell) text(digits int) string {
	if c.Value == nil {
		return c.Text
	}
	if v := float64(*c.Value); v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return strconv.FormatFloat(float64(*c.Value), 'g', digits, 64)
}

func (t Table) writeAligned(w io.Writer) error {
	const digits = 4
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, strings.Join(t.Columns, "\t"))
	for _, row := range t.Rows {
		var cells []string
		for _, c := range row {
			cells = append(cells, c.text(digits))
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	return tw.Flush()
}

func (t Table) writeCSV(w io.Writer) error {
	c := csv.NewWriter(w)
	if err := c.Write(t.Columns); err != nil {
		return err
	}
	line := make([]string, len(t.Columns))
	for _, row := range t.Rows {
		for i, cell := range row {
			line[i] = cell.text(-1)
		}
		if err := c.Write(line); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// writeJSON writes an object a line, with the columns in their order.
func (t Table) writeJSON(w io.Writer) error {
	var b strings.Builder
	b.WriteString("[")
	for i, row := range t.Rows {
		separator := "\n"
		if i > 0 {
			separator = ",\n"
		}
		b.WriteString(separator + "{")
		first := true
		for c, cell := range row {
			value, ok := cell.json()
			if !ok {
				continue
			}
			if !first {
				b.WriteString(", ")
			}
			first = false
			fmt.Fprintf(&b, "%q: %s", t.Columns[c], value)
		}
		b.WriteString("}")
		if b.Len() > 1<<20 { // so that a large table is not held twice
			if _, err := io.WriteString(w, b.String()); err != nil {
				return err
			}
			b.Reset()
		}
	}
	b.WriteString("\n]\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// json returns the cell as JSON, and false for what was not measured.
func (c Cell) json() ([]byte, bool) {
	switch {
	case c.Value != nil:
		b, _ := c.Value.MarshalJSON() // a Float always marshals
		return b, true
	case c.Text == "":
		return nil, false
	case c.isJSON:
		return []byte(c.Text), true
	}
	b, _ := json.Marshal(c.Text) // a string always marshals
	return b, true
}
