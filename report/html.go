package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"

	"gorgonorm/runlog"
)

//go:embed report.html.tmpl
var pageText string

var pageTemplate = template.Must(template.New("report").Parse(pageText))

// page is what the template shows.
type page struct {
	summary
	Data    []string // names of the texts
	Main    table
	All     *table // of all runs, if the main table is of variants
	Figures []figure
}

// HTML writes a page that needs no other file: what the runs show, the tables, the
// facts, the curves and the settings, and which other runs are broken. The output
// depends neither on the order of the runs nor on their speed.
func HTML(w io.Writer, records runlog.Records) error {
	s, err := summarize(records)
	if err != nil {
		return err
	}
	p := page{summary: s, Main: s.table(true), Figures: s.figures()}
	if s.Grid {
		t := tabulate(runColumns, true, s.Rows)
		p.All = &t
	}
	for _, r := range s.Rows {
		if name := dataName(r.Config.Data); !slices.Contains(p.Data, name) {
			p.Data = append(p.Data, name)
		}
	}
	var b bytes.Buffer // so that a failure writes no half page
	if err := pageTemplate.Execute(&b, p); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
