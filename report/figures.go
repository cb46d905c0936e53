package report

import (
	"html/template"
	"slices"

	"gorgonorm/report/chart"
	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// figure is a chart with a caption.
type figure struct {
	chart.Chart
	Caption []string // sentences
}

// SVG draws the chart for the template, which escapes strings of other types.
func (f figure) SVG() (template.HTML, error) {
	svg, err := f.Chart.SVG()
	return template.HTML(svg), err
}

// figures returns the figures that have something to show: first of a whole grid, then
// of single runs, then of measures inside them.
func (s summary) figures() (figures []figure) {
	typical, steepest := s.typical(), s.steepest()
	add := func(f figure, ok bool) {
		if ok {
			figures = append(figures, f)
		}
	}
	add(s.rateFigure())
	add(lossFigure("Loss", typical))
	add(lossFigure("Loss at the largest learning rate", steepest))
	add(gradFigure(typical))
	for _, v := range views {
		add(v.figure(typical))
	}
	return figures
}

// selection is the runs that a figure shows.
type selection struct {
	rows []row
	note string // which runs they are, a sentence; "" for all
}

// caption returns the start of a caption: what is drawn, of which runs.
func (s selection) caption(what string) []string {
	if s.note == "" {
		return []string{what}
	}
	return []string{what, s.note}
}

// mostCurves is the largest number of runs for which a figure shows all and not one of
// each variant.
const mostCurves = 8

// typical selects all runs or, of a large grid, one of each variant, at the variant's
// best learning rate.
func (s summary) typical() selection {
	if !s.Grid || len(s.Rows) <= mostCurves {
		return selection{rows: s.Rows}
	}
	sel := selection{note: "The run of each variant at its best learning rate and the lowest seed."}
	allBest := true
	for _, v := range s.Variants {
		if len(v.Runs) == 0 {
			continue
		}
		i := slices.IndexFunc(v.Runs, func(r runlog.Run) bool { return results.Rate(r) == v.BestLR })
		if i < 0 {
			i, allBest = 0, false
		}
		r := row{v.Name, v.Runs[i]}
		if len(s.Rates()) > 1 {
			r.Name += ", lr " + rate(results.Rate(r.Run))
		}
		sel.rows = append(sel.rows, r)
	}
	if !allBest {
		sel.note += " A variant without a best rate is shown at its lowest."
	}
	return sel
}

// steepest selects the runs at the grid's largest learning rate, one of each variant, if
// the typical runs are at others.
func (s summary) steepest() selection {
	lrs := s.Rates()
	if !s.Grid || len(s.Rows) <= mostCurves || len(lrs) < 2 {
		return selection{}
	}
	top := lrs[len(lrs)-1]
	sel := selection{note: "The run of each variant at lr " + rate(top) + " and the lowest seed."}
	for _, v := range s.Variants {
		if i := slices.IndexFunc(v.Runs, func(r runlog.Run) bool { return results.Rate(r) == top }); i >= 0 {
			sel.rows = append(sel.rows, row{v.Name, v.Runs[i]})
		}
	}
	return sel
}

// styles returns a style for each run or variant, given their kinds. Each norm has a
// colour. Each placement, qk-norm and variation has a pattern if there are several, or else
// each norm has one. Repetitions of a kind get the patterns that follow.
func styles(kinds []results.Kind) []chart.Style {
	whereOf := func(k results.Kind) results.Kind { k.Norm = ""; return k }
	var wheres []results.Kind
	for _, k := range kinds {
		if w := whereOf(k); !slices.Contains(wheres, w) {
			wheres = append(wheres, w)
		}
	}
	slices.SortFunc(wheres, results.CompareKinds)
	norms := slices.Clone(runlog.Norms)
	repetitions := map[results.Kind]int{}
	styles := make([]chart.Style, len(kinds))
	for i, k := range kinds {
		norm := slices.Index(norms, k.Norm)
		if norm < 0 {
			norm = len(norms)
			norms = append(norms, k.Norm)
		}
		pattern := norm
		if len(wheres) > 1 {
			pattern = slices.Index(wheres, whereOf(k))
		}
		styles[i] = chart.Style{Color: norm, Pattern: pattern + repetitions[k]}
		repetitions[k]++
	}
	return styles
}
