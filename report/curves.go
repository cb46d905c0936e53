package report

import (
	"math"
	"slices"

	"gorgonorm/report/chart"
)

// smoothing is the part of a run over which a smoothed curve takes the mean of a measure.
const smoothing = 1.0 / 40

// smooth returns the mean of the points in a window around each.
func smooth(points []chart.Point) []chart.Point {
	half := int(smoothing * float64(len(points)) / 2)
	if half == 0 {
		return points
	}
	means := slices.Clone(points)
	for i := range means {
		window := points[max(0, i-half):min(len(points), i+half+1)]
		sum := 0.0 // anew each time, because after a value that is huge a running sum has lost the others
		for _, p := range window {
			sum += p.Y
		}
		means[i].Y = sum / float64(len(window))
	}
	return means
}

// mostPoints is about the number of points of a curve that a chart can show.
const mostPoints = 400

// thin returns the first and the last point of a curve and, of each of its most/2 equal parts, the
// lowest and the highest, so that no spike is lost.
func thin(points []chart.Point, most int) []chart.Point {
	if len(points) <= most {
		return points
	}
	thinned := []chart.Point{points[0]}
	parts := most / 2
	inner := points[1 : len(points)-1]
	for i := range parts {
		part := inner[i*len(inner)/parts : (i+1)*len(inner)/parts]
		a, b := chart.Lowest(part), chart.Highest(part)
		if a.X > b.X {
			a, b = b, a
		}
		if thinned = append(thinned, a); a.X < b.X {
			thinned = append(thinned, b)
		}
	}
	return append(thinned, points[len(points)-1])
}

// xAxis returns the horizontal axis.
func (v view) xAxis(rows []row, ts []trace) chart.Axis {
	a := chart.Axis{Label: "step", Hi: 1, Whole: true}
	if v.byDepth {
		a.Label = "block"
		for _, t := range ts {
			if n := len(t.points); n > 0 {
				a.Hi = max(a.Hi, t.points[n-1].X)
			}
		}
		return a
	}
	for _, r := range rows {
		a.Hi = max(a.Hi, float64(r.Config.Steps), float64(len(r.Steps)))
	}
	return a
}

// yAxis returns the vertical axis, and whether it cuts off values: an axis that is not logarithmic
// fits the runs that did not diverge, and losses that explode would flatten all others.
func (v view) yAxis(ts []trace) (a chart.Axis, cut bool) {
	lo, hi, ok := extent(ts)
	switch {
	case v.log && !ok:
		return chart.Log(v.Label, 0.1, 10), false
	case v.log:
		return chart.Log(v.Label, lo, hi), false
	case v.steps != nil:
		top := min(hi, ceiling(ts, hi))
		return chart.Linear(v.Label, lo, top), top < hi
	}
	stayed := slices.DeleteFunc(slices.Clone(ts), func(t trace) bool { return t.Summary.DivergedAt > 0 })
	from, to, some := extent(stayed)
	if !some {
		from, to = lo, hi
	}
	return chart.Linear(v.Label, from, to), lo < from || hi > to
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
	return max(1.2*first, 1.2*visible)
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
