package report

import (
	"math"

	"gonum.org/v1/plot/plotter"

	"gorgonorm/runlog"
)

// view is a measure of what probes saw inside the network, as a figure.
type view struct {
	Title, Label, Caption string
	log                   bool
	byDepth               bool                             // of the last probe, instead of by step
	points                func([]runlog.Probe) plotter.XYs // not a number where nothing was measured
}

var views = []view{
	{
		Title: "Residual stream by depth", Label: "RMS", log: true, byDepth: true, points: byDepth,
		Caption: "RMS of the residual stream's elements after the embedding (0) and after each block, in the last probe, on a logarithmic axis.",
	},
	{
		Title: "Residual stream in training", Label: "RMS after the last block", log: true, points: byStep(lastResidual),
		Caption: "RMS of the residual stream's elements after the last block, on a logarithmic axis.",
	},
	{
		Title: "Attention logit", Label: "largest attention logit", log: true, points: byStep(attention),
		Caption: "The largest attention logit of a probe's batch over all blocks, on a logarithmic axis (Wortsman et al. 2023, arXiv 2309.14322).",
	},
	{
		Title: "Drift of the norms' inputs", Label: "shift (standard deviations)", log: true, points: byStep(shift),
		Caption: "How far the mean of a norm's input has moved since the last probe, in its standard deviations, mean over features and norms, QKNorms included, on a logarithmic axis: the internal covariate shift of Ioffe & Szegedy 2015 (arXiv 1502.03167).",
	},
	{
		Title: "Update size", Label: "‖update‖ / ‖weights‖", log: true, points: byStep(updateRatio),
		Caption: "Norm of the update over that of the weights, mean over the groups of parameters, on a logarithmic axis.",
	},
	{
		Title: "BatchNorm's means", Label: "‖batch − running‖ / features", log: true, points: byStep(batchMean),
		Caption: "Distance from BatchNorm's batch means to its running means before the step, mean over the norms, on a logarithmic axis (Shen et al. 2020, arXiv 2003.07845, figure 2).",
	},
	{
		Title: "BatchNorm's variances", Label: "‖batch − running‖ / features", log: true, points: byStep(batchVar),
		Caption: "Distance from BatchNorm's batch variances, unbiased, to its running variances, likewise.",
	},
	{
		Title: "Output normalizer", Label: "mean log Z (nats)", points: byStep(func(p runlog.Probe) runlog.Float { return p.LogZ.Mean }),
		Caption: "Mean over the tokens of log Z = log Σ exp(logits).",
	},
}

// draw is the view's figure, nil where no probe has anything to show.
func (v view) draw(shown chosen) (*figure, error) {
	var ts []trace
	leftOut := false
	for i, s := range styles(shown.rows) {
		t := trace{row: shown.rows[i], style: s}
		for _, p := range v.points(t.Probes) {
			switch {
			case drawable(p.Y, v.log):
				t.points = append(t.points, p)
			case !math.IsNaN(p.Y):
				leftOut = true
			}
		}
		if len(t.points) > 0 {
			ts = append(ts, t)
		}
	}
	if len(ts) == 0 {
		return nil, nil
	}
	y, cut := logAxis(v.Label, ts), false
	if !v.log {
		y, cut = linearAxis(v.Label, ts)
	}
	c := newChart(frame{v.across(shown.rows, ts), y})
	for _, t := range ts {
		c.entry(t.label(), c.curve(t.style, t.points))
	}
	caption := shown.caption(v.Caption)
	if cut {
		caption = append(caption, "The axis holds the runs that did not diverge, and cuts others.")
	}
	if leftOut {
		caption = append(caption, "Infinite values, and on a logarithmic axis those not above zero, are left out.")
	}
	if v.byDepth {
		return c.figure(v.Title, caption)
	}
	return c.ended(v.Title, ts, caption)
}

// across is the view's horizontal axis.
func (v view) across(rows []row, ts []trace) axis {
	if !v.byDepth {
		return stepAxis(rows)
	}
	a := axis{label: "block", hi: 1, whole: true}
	for _, t := range ts {
		a.hi = max(a.hi, last(t.points).X)
	}
	return a
}

// byStep is a measure of each probe.
func byStep(measure func(runlog.Probe) runlog.Float) func([]runlog.Probe) plotter.XYs {
	return func(ps []runlog.Probe) (points plotter.XYs) {
		for _, p := range ps {
			points = append(points, plotter.XY{X: float64(p.Step), Y: float64(measure(p))})
		}
		return points
	}
}

// byDepth is the RMS of the residual stream in the last probe.
func byDepth(ps []runlog.Probe) (points plotter.XYs) {
	if len(ps) == 0 {
		return nil
	}
	for i, s := range ps[len(ps)-1].Residual {
		points = append(points, plotter.XY{X: float64(i), Y: float64(s.RMS)})
	}
	return points
}
