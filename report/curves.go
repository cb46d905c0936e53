package report

import (
	"fmt"
	"math"
	"slices"

	"gorgonorm/report/chart"
	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// trace is a measure of a run as a curve.
type trace struct {
	row
	chart.Style
	points []chart.Point
}

// traces returns a trace for each run with the points that a chart can show, and the number
// of points that it cannot.
func traces(rows []row, log bool, points func(runlog.Run) []chart.Point) (ts []trace, leftOut int) {
	kinds := make([]results.Kind, len(rows))
	for i, r := range rows {
		kinds[i] = results.KindOf(r.Run)
	}
	for i, s := range styles(kinds) {
		t := trace{row: rows[i], Style: s}
		for _, p := range points(rows[i].Run) {
			if chart.Drawable(p.Y, log) {
				t.points = append(t.points, p)
			} else {
				leftOut++
			}
		}
		ts = append(ts, t)
	}
	return ts, leftOut
}

// byStep returns a function that returns the points of a measure of each step.
func byStep(measure func(runlog.Step) runlog.Float) func(runlog.Run) []chart.Point {
	return func(r runlog.Run) (points []chart.Point) {
		for _, s := range r.Steps {
			points = append(points, chart.Point{X: float64(s.Step), Y: float64(measure(s))})
		}
		return points
	}
}

// label returns the run's entry in a legend.
func (t trace) label() string {
	switch {
	case t.Summary.DivergedAt > 0 && t.Summary.Divergence.AtTheEnd():
		return fmt.Sprintf("%s, %s", t.Name, t.Summary.Divergence)
	case t.Summary.DivergedAt > 0:
		return fmt.Sprintf("%s, diverged at step %d", t.Name, t.Summary.DivergedAt)
	case len(t.points) == 0:
		return t.Name + ", no values"
	}
	return t.Name
}

// series returns the trace as a series without marks.
func (t trace) series() chart.Series {
	return chart.Series{Label: t.label(), Style: t.Style, Lines: [][]chart.Point{t.points}}
}

// lossFigure shows the training loss as lines and the validation loss as marks. It
// returns false if there are no runs.
func lossFigure(title string, s selection) (f figure, ok bool) {
	if len(s.rows) == 0 {
		return f, false
	}
	ts, leftOut := traces(s.rows, false, byStep(func(s runlog.Step) runlog.Float { return s.Loss }))
	vals, _ := traces(s.rows, false, byStep(valLoss))
	y, cut := lossAxis(ts, vals)
	f.Chart = chart.Chart{Title: title, X: stepAxis(s.rows), Y: y}
	for i, t := range ts {
		series := t.series()
		series.Marks = vals[i].points
		f.Series = append(f.Series, series)
	}
	f.Caption = append(
		s.caption("Lines: training loss of each step, one batch, not smoothed. Marks: validation loss."),
		spread("Last training loss of each run:", ts, last, loss))
	if cut {
		f.Caption = append(f.Caption,
			spread("The axis is cut; highest training loss of each run:", ts, chart.Highest, loss))
	}
	if leftOut > 0 {
		f.Caption = append(f.Caption, fmt.Sprintf("Not finite and left out: %d.", leftOut))
	}
	f.markDivergence(ts)
	return f, true
}

func valLoss(s runlog.Step) runlog.Float {
	if s.ValLoss == nil {
		return runlog.Float(math.NaN())
	}
	return *s.ValLoss
}

// gradFigure shows the gradient norms on a logarithmic axis. It returns false if there
// are no runs.
func gradFigure(s selection) (f figure, ok bool) {
	if len(s.rows) == 0 {
		return f, false
	}
	ts, leftOut := traces(s.rows, true, byStep(func(s runlog.Step) runlog.Float { return s.GradNorm }))
	f.Chart = chart.Chart{
		Title: "Gradient norm", X: stepAxis(s.rows), Y: logAxis("global gradient norm before clipping", ts),
	}
	f.Caption = append(s.caption("Gradient norm of each step, on a logarithmic axis, not smoothed."),
		spread("Highest of each run:", ts, chart.Highest, significant))
	if clip := sharedClip(s.rows); f.Y.Inside(clip) {
		f.Levels = []chart.Level{{Y: clip}}
		f.Caption = append(f.Caption, fmt.Sprintf("Above the grey line, at %g, gradients were clipped.", clip))
	}
	for _, t := range ts {
		f.Series = append(f.Series, t.series())
	}
	if leftOut > 0 {
		f.Caption = append(f.Caption, fmt.Sprintf("Not finite or not above zero and left out: %d.", leftOut))
	}
	f.markDivergence(ts)
	return f, true
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
		end := last(t.points)
		end.Y = min(end.Y, f.Y.Hi)
		f.Crosses = append(f.Crosses, chart.Cross{Point: end, Style: t.Style})
	}
	if len(f.Crosses) > 0 {
		f.Caption = append(f.Caption,
			"A cross marks the last finite value of a run that diverged, at the upper edge if the value is above it.")
	}
}

func last(ps []chart.Point) chart.Point { return ps[len(ps)-1] }

// spread describes the lowest and the highest of the points picked from each trace.
func spread(
	what string, ts []trace, pick func([]chart.Point) chart.Point, format func(runlog.Float) string,
) string {
	var picked []trace // those with points, each with the one picked
	for _, t := range ts {
		if len(t.points) > 0 {
			t.points = []chart.Point{pick(t.points)}
			picked = append(picked, t)
		}
	}
	slices.SortStableFunc(picked, func(a, b trace) int { return chart.CompareY(a.points[0], b.points[0]) })
	describe := func(t trace) string {
		p := t.points[0]
		return fmt.Sprintf("%s (%q, step %.0f)", format(runlog.Float(p.Y)), t.Name, p.X)
	}
	switch n := len(picked); n {
	case 0:
		return "There are no values to draw."
	case 1:
		return what + " " + describe(picked[0]) + "."
	default:
		return what + " from " + describe(picked[0]) + " to " + describe(picked[n-1]) + "."
	}
}

// stepAxis returns an axis from 0 to the last step of all runs.
func stepAxis(rows []row) chart.Axis {
	n := 1
	for _, r := range rows {
		for _, s := range r.Steps {
			n = max(n, s.Step)
		}
	}
	return chart.Axis{Label: "step", Hi: float64(n), Whole: true}
}

// lossAxis returns an axis for all losses, and whether it is cut below an explosion that
// would flatten the others.
func lossAxis(training, validation []trace) (a chart.Axis, cut bool) {
	lo, hi, ok := extent(slices.Concat(training, validation))
	if !ok {
		lo, hi = 0, 1
	}
	top := min(hi, ceiling(training, hi))
	return chart.Linear("loss (nats per token)", lo, top), top < hi
}

// ceiling returns the loss at which an axis may be cut: well above the start of the
// learning, and above the lowest point of every run that did not diverge.
func ceiling(ts []trace, none float64) float64 {
	first, visible := math.Inf(1), math.Inf(-1)
	for _, t := range ts {
		if len(t.points) == 0 {
			continue
		}
		first = min(first, t.points[0].Y)
		if t.Summary.DivergedAt == 0 {
			visible = max(visible, chart.Lowest(t.points).Y)
		}
	}
	if math.IsInf(first, 1) {
		return none
	}
	return max(1.5*first, 1.2*visible)
}

// logAxis returns a logarithmic axis for all values.
func logAxis(label string, ts []trace) chart.Axis {
	lo, hi, ok := extent(ts)
	if !ok {
		lo, hi = 0.1, 10
	}
	return chart.Log(label, lo, hi)
}

// linearAxis returns an axis for all values of the runs that did not diverge, or of all
// runs if all did, and whether it cuts off other values.
func linearAxis(label string, ts []trace) (a chart.Axis, cut bool) {
	least, most, _ := extent(ts)
	stayed := slices.DeleteFunc(slices.Clone(ts), func(t trace) bool { return t.Summary.DivergedAt > 0 })
	lo, hi, some := extent(stayed)
	if !some {
		lo, hi = least, most
	}
	return chart.Linear(label, lo, hi), least < lo || most > hi
}

// extent returns the range of the values of traces, and whether there are any.
func extent(ts []trace) (lo, hi float64, ok bool) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, t := range ts {
		for _, p := range t.points {
			lo, hi = min(lo, p.Y), max(hi, p.Y)
		}
	}
	return lo, hi, lo <= hi
}
