package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"

	"gorgonorm/train"
)

//go:embed report.html.tmpl
var pageText string

var pageTemplate = template.Must(template.New("report").Parse(pageText))

// page is what the template fills in.
type page struct {
	summary
	Data           []string // the texts' names
	Columns        []column
	Figures        []figure
	Shared, Differ []setting
}

// HTML writes one page that stands alone: what the runs show, the table, the
// curves and the settings.
func HTML(w io.Writer, runs []train.Run) error {
	s, err := summarize(runs)
	if err != nil {
		return err
	}
	p := page{summary: s, Columns: columns}
	p.Shared, p.Differ = compare(runs)
	for _, r := range runs {
		if name := dataName(r.Config.Data); !slices.Contains(p.Data, name) {
			p.Data = append(p.Data, name)
		}
	}
	for _, draw := range []func([]row) (figure, error){lossFigure, gradFigure} {
		f, err := draw(s.Rows)
		if err != nil {
			return err
		}
		p.Figures = append(p.Figures, f)
	}
	var b bytes.Buffer // so that a failure leaves no half page
	if err := pageTemplate.Execute(&b, p); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
