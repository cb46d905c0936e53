package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"regexp"
	"strings"

	"gorgonorm/report/chart"
	"gorgonorm/runlog"
)

var (
	//go:embed page.html.tmpl
	pageText string
	//go:embed page.css
	pageStyle string
	//go:embed page.js
	pageScript string
)

var pageTemplate = template.Must(template.New("report").Funcs(template.FuncMap{"cite": cite}).Parse(pageText))

// page is what the template shows.
type page struct {
	summary
	Title   string
	Sub     []string // sentences below the title
	Main    table    // of variants or runs
	One     []measure
	Map     *lossMap
	Rate    *figure
	Note    string // which runs the figures inside show
	Figures []figure
	Maps    []depthMaps
	Heads   []measure // what the columns of the tables mean
	All     *table    // of all runs
	IDs     []string  // of all runs, the names of their directories
	Script  *scriptData

	Style, Light, Dark template.CSS
	Code               template.JS
}

// measure is a name with its value or its meaning.
type measure struct{ Name, Text string }

// HTML writes a page that needs no other file. It begins with the answer that the runs give, the
// loss of each variant at each learning rate and a table; what happens inside the runs, what
// explains the numbers, and the settings follow. Scripts add values under the pointer, a choice of
// runs and the like, and nothing is missing without them. The output depends neither on the order
// of the runs nor on their speed. HTML returns an error for records of nothing.
func HTML(w io.Writer, records runlog.Records) error {
	if w == nil {
		return errNoWriter
	}
	s, err := summarize(records)
	if err != nil {
		return err
	}
	p, err := s.page()
	if err != nil {
		return err
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

// page decides what the page shows.
func (s summary) page() (p page, err error) {
	light, dark := chart.Variables()
	p = page{
		summary: s, Title: s.title(), Sub: s.sub(),
		Style: template.CSS(pageStyle), Light: template.CSS(light), Dark: template.CSS(dark),
		Code: template.JS(pageScript),
	}
	if len(s.Runs) == 0 {
		return p, nil
	}
	p.Main = s.table(true)
	if len(s.Rows) == 1 {
		p.One = p.Main.line(0)
	}
	if m, ok := s.lossMap(); ok {
		p.Map = &m
	}
	if f, ok := s.rateFigure(); ok {
		p.Rate = &f
	}
	shown := s.inside()
	p.Note = shown.note
	for _, v := range views {
		if f, ok := v.figure(shown); ok {
			p.Figures = append(p.Figures, f)
		}
	}
	if p.Maps, err = shown.depthMaps(); err != nil {
		return p, err
	}
	p.Heads = p.Main.explained()
	if s.Grid {
		all := tabulate(runColumns, true, s.Rows)
		p.All = &all
		p.Heads = append(p.Heads, all.explained()...)
	}
	for _, r := range s.Rows {
		p.IDs = append(p.IDs, r.Config.ID())
	}
	script := s.script(shown, p.Rate)
	p.Script = &script
	return p, nil
}

// line returns a line of the table with the heads of its columns.
func (t table) line(i int) (measures []measure) {
	for c, head := range t.Head[1:] {
		measures = append(measures, measure{head, t.Body[i][c+1]})
	}
	return measures
}

// explained returns the meanings of the columns that have one.
func (t table) explained() (measures []measure) {
	for i, head := range t.Head {
		if t.Explain[i] != "" {
			measures = append(measures, measure{head, t.Explain[i]})
		}
	}
	return measures
}

// sub returns what is to be known before the answer is believed: how much was run, on what, what
// is missing and what is broken.
func (s summary) sub() (sentences []string) {
	if len(s.Runs) > 0 {
		sentences = append(sentences, s.extent())
	}
	sentences = append(sentences, s.coverage()...)
	if n := len(s.Broken); n > 0 {
		sentences = append(sentences, "Left out: "+count(n, "broken record")+".")
	}
	return sentences
}

// extent says what was run: "56 runs: 4 variants, 7 learning rates, 2 seeds; 200 steps on Opticks.txt."
func (s summary) extent() string {
	var parts []string
	if s.Grid {
		parts = append(parts, count(len(s.Variants), "variant"))
	}
	if n := len(s.Rates()); n > 1 {
		parts = append(parts, count(n, "learning rate"))
	}
	if n := s.Seeds(); n > 1 {
		parts = append(parts, count(n, "seed"))
	}
	sentence := count(len(s.Runs), "run")
	if len(parts) > 0 {
		sentence += ": " + strings.Join(parts, ", ")
	}
	var texts []string
	steps := make(map[int]bool)
	for _, r := range s.Rows {
		texts = appendNew(texts, dataName(r.Config.Data))
		steps[r.Config.Steps] = true
	}
	if len(steps) == 1 {
		sentence += fmt.Sprintf("; %s on %s", count(s.Runs[0].Config.Steps, "step"), list(texts))
	} else {
		sentence += " on " + list(texts)
	}
	return sentence + "."
}

var arXiv = regexp.MustCompile(`arXiv ([0-9]{4}\.[0-9]{5})`)

// cite makes links of the papers in a text.
func cite(text string) template.HTML {
	escaped := template.HTMLEscapeString(text)
	return template.HTML(arXiv.ReplaceAllString(escaped, `<a href="https://arxiv.org/abs/$1">arXiv $1</a>`))
}
