package report

import (
	"fmt"
	"html/template"
	"slices"

	"gorgonorm/report/chart"
	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// figure is a chart with a caption.
type figure struct {
	ID string
	chart.Chart
	Caption []string // sentences
}

// SVG draws the chart for the template, which escapes strings of other types.
func (f figure) SVG() (template.HTML, error) {
	svg, err := f.Chart.SVG()
	return template.HTML(svg), err
}

// legendEntry is an entry of a legend for the template.
type legendEntry struct {
	Label  string
	Swatch template.HTML
}

// Legend returns the entries of the chart's legend for the template.
func (f figure) Legend() (entries []legendEntry, err error) {
	all, err := f.Chart.Legend()
	for _, e := range all {
		entries = append(entries, legendEntry{e.Label, template.HTML(e.Swatch)})
	}
	return entries, err
}

// trace is a measure of a run as a curve.
type trace struct {
	row
	chart.Style
	points []chart.Point // those that the chart can show
}

// figure returns the view of the selected runs, and false if they have nothing to show.
func (v view) figure(s selection) (f figure, ok bool) {
	ts, leftOut := s.traces(v)
	if !slices.ContainsFunc(ts, func(t trace) bool { return len(t.points) > 0 }) {
		return f, false
	}
	y, cut := v.yAxis(ts)
	f = figure{v.ID, chart.Chart{Title: v.Title, X: v.xAxis(s.rows, ts), Y: y}, []string{v.Caption}}
	for _, t := range ts {
		if len(t.points) > 0 || v.steps != nil {
			f.Series = append(f.Series, v.series(t))
		}
	}
	if cut {
		f.Caption = append(f.Caption, "The axis fits the runs that did not diverge and cuts off others.")
	}
	if leftOut > 0 {
		f.Caption = append(f.Caption, "Left out, because the axis cannot show them: "+count(leftOut, "value")+".")
	}
	if clip := sharedClip(s.rows); v.ID == "gradient" && f.Y.Inside(clip) {
		f.Levels = []chart.Level{{Label: "clipped above", Y: clip}}
	}
	if !v.byDepth {
		f.markDivergence(ts)
	}
	return f, true
}

// traces returns the view's curve of each run, and the number of points that no axis can show.
func (s selection) traces(v view) (ts []trace, leftOut int) {
	for i, r := range s.rows {
		all := v.points(r.Run)
		t := trace{r, s.styles[i], drawable(all, v.log)}
		leftOut += len(all) - len(t.points)
		ts = append(ts, t)
	}
	return ts, leftOut
}

// series returns a trace as the view draws it: measures of each step smoothed, with the steps
// themselves behind and their spikes marked, others as they are.
func (v view) series(t trace) chart.Series {
	s := chart.Series{Label: t.label(), Style: t.Style}
	if v.steps == nil {
		s.Lines = [][]chart.Point{t.points}
		return s
	}
	s.Faint = [][]chart.Point{thin(t.points, mostPoints)}
	s.Lines = [][]chart.Point{every(smooth(t.points), mostPoints)}
	if v.ID == "loss" {
		s.Marks = []chart.Point{}
		for _, step := range t.Steps {
			if step.ValLoss != nil && chart.Drawable(float64(*step.ValLoss), false) {
				s.Marks = append(s.Marks, chart.Point{X: float64(step.Step), Y: float64(*step.ValLoss)})
			}
		}
	}
	s.Spikes = v.spikes(t)
	return s
}

// spikes returns the points of a trace that are spikes.
func (v view) spikes(t trace) (spikes []chart.Point) {
	values := make([]runlog.Float, len(t.Steps))
	for i, s := range t.Steps {
		values[i] = v.steps(s)
	}
	for _, i := range runlog.Spikes(values, t.Summary.SpikeWindow) {
		if y := float64(values[i]); chart.Drawable(y, v.log) {
			spikes = append(spikes, chart.Point{X: float64(t.Steps[i].Step), Y: y})
		}
	}
	return spikes
}

// label returns the run's entry in a legend.
func (t trace) label() string {
	switch lost := t.lost(); {
	case lost != "":
		return t.Name + ", " + lost
	case len(t.points) == 0:
		return t.Name + ", no values"
	}
	return t.Name
}

// lost says how a run diverged, "" if it did not.
func (r row) lost() string {
	switch s := r.Summary; {
	case s.DivergedAt == 0:
		return ""
	case s.Divergence.AtTheEnd():
		return string(s.Divergence)
	default:
		return fmt.Sprintf("diverged at step %d", s.DivergedAt)
	}
}

// sharedClip returns the gradient norm at which all runs clip, 0 if there is none.
func sharedClip(rows []row) float64 {
	clip := rows[0].Config.Clip
	if slices.ContainsFunc(rows, func(r row) bool { return r.Config.Clip != clip }) {
		return 0
	}
	return clip
}

// markDivergence puts a cross at the last finite value of each run that diverged, or at
// the upper edge if the value is above it.
func (f *figure) markDivergence(ts []trace) {
	for _, t := range ts {
		if t.Summary.DivergedAt == 0 || len(t.points) == 0 {
			continue
		}
		end := t.points[len(t.points)-1]
		end.Y = min(end.Y, f.Y.Hi)
		f.Crosses = append(f.Crosses, chart.Cross{Point: end, Style: t.Style})
	}
	if len(f.Crosses) > 0 {
		f.Caption = append(f.Caption, "A cross: the last finite value of a run that diverged.")
	}
}

// styles returns a style for each variant, given its kind. Each norm has a colour. Each placement,
// qk-norm and variation has a pattern if there are several, or else each norm has one.
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
		styles[i] = chart.Style{Color: norm, Pattern: pattern}
	}
	return styles
}
