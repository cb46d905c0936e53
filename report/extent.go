package report

import "math"

// lossFrame holds all losses, or cuts off an explosion that would flatten the
// rest.
func lossFrame(rows []row, training, validation []trace) (f frame, cut bool) {
	lo, hi, ok := extent(append(training[:len(training):len(training)], validation...))
	if !ok {
		lo, hi = 0, 1
	}
	top := min(hi, ceiling(training, hi))
	pad := (top - lo) / 20
	if pad == 0 {
		pad = 0.5
	}
	return frame{stepAxis(rows), axis{label: "loss (nats per token)", lo: lo - pad, hi: top + pad}}, top < hi
}

// ceiling is where a loss axis may be cut: well above where learning starts,
// and above the lowest point of every run that did not diverge.
func ceiling(ts []trace, none float64) float64 {
	first, visible := math.Inf(1), math.Inf(-1)
	for _, t := range ts {
		if len(t.points) == 0 {
			continue
		}
		first = min(first, t.points[0].Y)
		if t.Summary.DivergedAt == 0 {
			visible = max(visible, lowest(t.points).Y)
		}
	}
	if math.IsInf(first, 1) {
		return none
	}
	return max(1.5*first, 1.2*visible)
}

// logAxis holds all values, and at least a factor of four.
func logAxis(label string, ts []trace) axis {
	lo, hi, ok := extent(ts)
	if !ok {
		lo, hi = 0.1, 10
	}
	if hi < 4*lo {
		lo, hi = lo/2, hi*2
	}
	return axis{label: label, lo: lo / 1.1, hi: hi * 1.1, log: true}
}

// linearAxis holds all values of the runs that did not diverge, or else of all.
func linearAxis(label string, ts []trace) (a axis, cut bool) {
	var stayed []trace
	for _, t := range ts {
		if t.Summary.DivergedAt == 0 {
			stayed = append(stayed, t)
		}
	}
	least, most, ok := extent(ts)
	lo, hi, some := extent(stayed)
	switch {
	case !ok:
		lo, hi = 0, 1
	case !some:
		lo, hi = least, most
	}
	pad := (hi - lo) / 20
	if pad == 0 {
		pad = 0.5
	}
	return axis{label: label, lo: lo - pad, hi: hi + pad}, ok && (least < lo || most > hi)
}

// extent is the range of the traces' values, if there are any.
func extent(ts []trace) (lo, hi float64, ok bool) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, t := range ts {
		for _, p := range t.points {
			lo, hi = min(lo, p.Y), max(hi, p.Y)
		}
	}
	return lo, hi, lo <= hi
}

// stepAxis is from 0 to the last step of all runs.
func stepAxis(rows []row) axis {
	n := 1
	for _, r := range rows {
		for _, s := range r.Steps {
			n = max(n, s.Step)
		}
	}
	return axis{label: "step", hi: float64(n), whole: true}
}
