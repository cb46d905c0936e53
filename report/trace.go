package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot/plotter"

	"gorgonorm/runlog"
)

// trace is one measure of one run by step.
type trace struct {
	row
	style
	points plotter.XYs
}

// label is the run's entry in a legend.
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

// traces takes a measure from all runs. It leaves out what no axis can show:
// values that are not finite or absurdly large and, if they must be positive,
// those that are not.
func traces(rows []row, value func(runlog.Step) runlog.Float, positive bool) (ts []trace, leftOut int) {
	for i, s := range styles(rows) {
		t := trace{row: rows[i], style: s}
		for _, step := range rows[i].Steps {
			v := float64(value(step))
			if !drawable(v, positive) {
				leftOut++
				continue
			}
			t.points = append(t.points, plotter.XY{X: float64(step.Step), Y: v})
		}
		ts = append(ts, t)
	}
	return ts, leftOut
}

// drawable says that a value is of a size that an axis can show.
func drawable(v float64, positive bool) bool {
	return math.Abs(v) < 1e100 && !(positive && v < 1e-100)
}

// The points of a trace that captions tell of.
func last(ps plotter.XYs) plotter.XY    { return ps[len(ps)-1] }
func highest(ps plotter.XYs) plotter.XY { return slices.MaxFunc(ps, byValue) }
func lowest(ps plotter.XYs) plotter.XY  { return slices.MinFunc(ps, byValue) }

func byValue(a, b plotter.XY) int { return cmp.Compare(a.Y, b.Y) }

// spread tells the lowest and the highest of the points picked from each trace.
func spread(what string, ts []trace, pick func(plotter.XYs) plotter.XY, format func(runlog.Float) string) string {
	var told []trace // those with points, lowest pick first
	for _, t := range ts {
		if len(t.points) > 0 {
			t.points = plotter.XYs{pick(t.points)}
			told = append(told, t)
		}
	}
	slices.SortStableFunc(told, func(a, b trace) int { return byValue(a.points[0], b.points[0]) })
	tell := func(t trace) string {
		p := t.points[0]
		return fmt.Sprintf("%s (%q, step %.0f)", format(runlog.Float(p.Y)), t.Name, p.X)
	}
	switch n := len(told); n {
	case 0:
		return "There are no values to draw."
	case 1:
		return what + " " + tell(told[0]) + "."
	default:
		return what + " from " + tell(told[0]) + " to " + tell(told[n-1]) + "."
	}
}
