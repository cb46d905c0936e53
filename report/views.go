package report

import (
	"math"
	"slices"

	"gorgonorm/report/chart"
	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// view is a figure of a measure that probes take inside the network.
type view struct {
	Title, Label, Caption string
	log                   bool
	byDepth               bool // in the last probe, instead of by step
	measure               func(runlog.Probe) runlog.Float
}

var views = []view{
	{
		Title: "Residual stream by depth", Label: "RMS", log: true, byDepth: true,
		Caption: "RMS of the residual stream's elements after the embedding (0) and after each block, " +
			"in the last probe, on a logarithmic axis.",
	},
	{
		Title: "Residual stream in training", Label: "RMS after the last block", log: true,
		measure: results.LastResidual,
		Caption: "RMS of the residual stream's elements after the last block, on a logarithmic axis.",
	},
	{
		Title: "Attention logit", Label: "largest attention logit", log: true,
		measure: results.Attention,
		Caption: "The largest attention logit of a probe's batch over all blocks, on a logarithmic axis " +
			"(Wortsman et al. 2023, arXiv 2309.14322).",
	},
	{
		Title: "Drift of the norms' inputs", Label: "shift (standard deviations)", log: true,
		measure: results.Shift,
		Caption: "How far the mean of a norm's input has moved since the last probe, in its standard deviations, " +
			"mean over features and norms, QKNorms included, on a logarithmic axis: " +
			"the internal covariate shift of Ioffe & Szegedy 2015 (arXiv 1502.03167).",
	},
	{
		Title: "Update size", Label: "‖update‖ / ‖weights‖", log: true,
		measure: results.UpdateRatio,
		Caption: "Norm of the update over that of the weights, mean over the groups of parameters, " +
			"on a logarithmic axis.",
	},
	{
		Title: "BatchNorm's means", Label: "‖batch − running‖ / features", log: true,
		measure: results.BatchMean,
		Caption: "Distance from BatchNorm's batch means to its running means before the step, mean over the norms, " +
			"on a logarithmic axis (Shen et al. 2020, arXiv 2003.07845, figure 2).",
	},
	{
		Title: "BatchNorm's variances", Label: "‖batch − running‖ / features", log: true,
		measure: results.BatchVar,
		Caption: "Distance from BatchNorm's batch variances, unbiased, to its running variances, " +
			"mean over the norms, on a logarithmic axis.",
	},
	{
		Title: "Output normalizer", Label: "mean log Z (nats)",
		measure: func(p runlog.Probe) runlog.Float { return p.LogZ.Mean },
		Caption: "Mean over the tokens of log Z = log Σ exp(logits).",
	},
}

// figure returns false if no probe has anything to show.
func (v view) figure(s selection) (f figure, ok bool) {
	ts, leftOut := traces(s.rows, v.log, v.points)
	ts = slices.DeleteFunc(ts, func(t trace) bool { return len(t.points) == 0 })
	if len(ts) == 0 {
		return f, false
	}
	y, cut := logAxis(v.Label, ts), false
	if !v.log {
		y, cut = linearAxis(v.Label, ts)
	}
	f = figure{chart.Chart{Title: v.Title, X: v.xAxis(s.rows, ts), Y: y}, s.caption(v.Caption)}
	for _, t := range ts {
		f.Series = append(f.Series, t.series())
	}
	if cut {
		f.Caption = append(f.Caption, "The axis fits the runs that did not diverge and cuts off others.")
	}
	if leftOut > 0 {
		f.Caption = append(f.Caption,
			"Infinite values, and on a logarithmic axis those not above zero, are left out.")
	}
	if !v.byDepth {
		f.markDivergence(ts)
	}
	return f, true
}

// xAxis returns the horizontal axis.
func (v view) xAxis(rows []row, ts []trace) chart.Axis {
	if !v.byDepth {
		return stepAxis(rows)
	}
	a := chart.Axis{Label: "block", Hi: 1, Whole: true}
	for _, t := range ts {
		a.Hi = max(a.Hi, last(t.points).X)
	}
	return a
}

// points returns the measure by step or, by depth, the RMS of the residual stream, without
// what was not measured.
func (v view) points(r runlog.Run) (points []chart.Point) {
	if !v.byDepth {
		for _, p := range r.Probes {
			points = append(points, chart.Point{X: float64(p.Step), Y: float64(v.measure(p))})
		}
	} else if n := len(r.Probes); n > 0 {
		for i, s := range r.Probes[n-1].Residual {
			points = append(points, chart.Point{X: float64(i), Y: float64(s.RMS)})
		}
	}
	return slices.DeleteFunc(points, func(p chart.Point) bool { return math.IsNaN(p.Y) })
}
