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

// page is what the template fills in.
type page struct {
	summary
	Data                  []string // the texts' names
	Main                  table
	Runs                  *table // of a grid, whose main table tells of variants
	Figures               []*figure
	Shared, Along, Differ []setting
}

// HTML writes one page that stands alone: what the runs show, the tables, the
// facts, the curves and the settings, and which other runs are broken. It depends on
// neither the runs' order nor their speed.
func HTML(w io.Writer, runs []runlog.Run, broken ...runlog.Broken) error {
	s, err := summarize(runs, broken...)
	if err != nil {
		return err
	}
	p := page{summary: s, Main: s.table(true)}
	p.Shared, p.Along, p.Differ = s.settings()
	if s.Grid {
		t := tabulate(runColumns, true, s.Rows)
		p.Runs = &t
	}
	for _, r := range s.Rows {
		if name := dataName(r.Config.Data); !slices.Contains(p.Data, name) {
			p.Data = append(p.Data, name)
		}
	}
	if p.Figures, err = figures(s); err != nil {
		return err
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

// figures are those that have something to show: first the whole of a grid, then
// single runs, then what was seen inside them.
func figures(s summary) (out []*figure, err error) {
	typical, steepest := s.typical(), s.steepest()
	draws := []func() (*figure, error){
		func() (*figure, error) {
			if !s.Grid {
				return nil, nil
			}
			return rateFigure(s)
		},
		func() (*figure, error) { return lossFigure("Loss", typical) },
		func() (*figure, error) { return lossFigure("Loss at the largest learning rate", steepest) },
		func() (*figure, error) { return gradFigure(typical) },
	}
	for _, v := range views {
		draws = append(draws, func() (*figure, error) { return v.draw(typical) })
	}
	for _, draw := range draws {
		f, err := draw()
		if err != nil {
			return nil, err
		}
		if f != nil {
			out = append(out, f)
		}
	}
	return out, nil
}
