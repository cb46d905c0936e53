package report

import (
	"fmt"
	"math"
	"slices"

	"gorgonorm/report/chart"
	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// selection is the runs that figures show: those of one cell of the grid, so that nothing but the
// kind of model differs among them.
type selection struct {
	results.Cell
	rows   []row
	note   string // which cell that is, and why
	styles []chart.Style
}

// inside selects the runs of the cell at which the variants are best compared.
func (s summary) inside() selection {
	cell, stable, all := s.Common()
	if all == 0 {
		cell = results.CellOf(s.Runs[0])
	}
	sel := s.at(cell)
	if !s.Grid {
		return sel
	}
	several := len(s.Rates()) > 1
	switch {
	case several && stable == all && all > 0:
		sel.note = fmt.Sprintf("Learning rate %s, the largest at which all trained stably, and seed %d.",
			rate(cell.LR), cell.Seed)
	case several && stable == 0 && all > 0:
		sel.note = fmt.Sprintf("Nowhere was training stable; shown are learning rate %s and seed %d.",
			rate(cell.LR), cell.Seed)
	case several:
		sel.note = fmt.Sprintf("Learning rate %s, the largest at which most trained stably, %d of %d, and seed %d.",
			rate(cell.LR), stable, all, cell.Seed)
	default:
		sel.note = fmt.Sprintf("Seed %d.", cell.Seed)
	}
	return sel
}

// at selects the runs of a cell, named by their variants where those have one run there.
func (s summary) at(cell results.Cell) (sel selection) {
	sel.Cell = cell
	named := make(map[results.Kind]string)
	for _, v := range s.Variants {
		named[v.Kind] = v.Name
	}
	count := make(map[results.Kind]int)
	for _, r := range s.Rows {
		if results.CellOf(r.Run) == cell || !s.Grid {
			count[results.KindOf(r.Run)]++
			sel.rows = append(sel.rows, r)
		}
	}
	var kinds []results.Kind
	for i, r := range sel.rows {
		k := results.KindOf(r.Run)
		if kinds = append(kinds, k); count[k] == 1 {
			sel.rows[i].Name = named[k]
		}
	}
	sel.styles = s.stylesOf(kinds)
	return sel
}

// stylesOf returns a style for each kind, the same in all figures of the page.
func (s summary) stylesOf(kinds []results.Kind) []chart.Style {
	var all []results.Kind
	for _, v := range s.Variants {
		all = append(all, v.Kind)
	}
	byVariant := styles(all)
	repeated := make(map[results.Kind]int)
	of := make([]chart.Style, len(kinds))
	for i, k := range kinds {
		of[i] = byVariant[slices.Index(all, k)]
		of[i].Pattern += repeated[k]
		repeated[k]++
	}
	return of
}

// view is a figure of a measure by step or, of probes, by depth.
type view struct {
	ID      string // in links
	Title   string
	Label   string // of the vertical axis
	Caption string
	log     bool
	byDepth bool // in the last probe, instead of by step
	steps   func(runlog.Step) runlog.Float
	probes  func(runlog.Probe) runlog.Float
}

// views are the figures of what happens inside the runs, in their order.
var views = []view{
	{
		ID: "loss", Title: "Training loss", Label: "loss (nats per token)",
		Caption: "Bold: mean over the steps around; faint: each step, one batch. Marks: validation loss. " +
			"Triangles: spikes.",
		steps: func(s runlog.Step) runlog.Float { return s.Loss },
	},
	{
		ID: "gradient", Title: "Gradient norm", Label: "gradient norm before clipping", log: true,
		Caption: "Bold: mean over the steps around; faint: each step. Triangles: spikes.",
		steps:   func(s runlog.Step) runlog.Float { return s.GradNorm },
	},
	{
		ID: "residual", Title: "Residual stream in training", Label: "RMS after the last block", log: true,
		probes:  results.LastResidual,
		Caption: "RMS of the residual stream's elements after the last block.",
	},
	{
		ID: "depth", Title: "Residual stream by depth", Label: "RMS", log: true, byDepth: true,
		Caption: "RMS of the residual stream's elements after the embedding (0) and after each block, in the last probe.",
	},
	{
		ID: "attention", Title: "Attention logit", Label: "largest attention logit", log: true,
		probes: results.Attention,
		Caption: "The largest attention logit of a probe's batch over all blocks " +
			"(Wortsman et al. 2023, arXiv 2309.14322).",
	},
	{
		ID: "drift", Title: "Drift of the norms' inputs", Label: "shift (standard deviations)", log: true,
		probes: results.Shift,
		Caption: "How far the mean of a norm's input has moved since the last probe, in its standard deviations, " +
			"mean over features and norms, QKNorms included: " +
			"the internal covariate shift of Ioffe & Szegedy 2015 (arXiv 1502.03167).",
	},
	{
		ID: "update", Title: "Update size", Label: "‖update‖ / ‖weights‖", log: true,
		probes:  results.UpdateRatio,
		Caption: "Norm of the update over that of the weights, mean over the groups of parameters.",
	},
	{
		ID: "batch-mean", Title: "BatchNorm's means", Label: "‖batch − running‖ / features", log: true,
		probes: results.BatchMean,
		Caption: "Distance from BatchNorm's batch means to its running means before the step, mean over the norms " +
			"(Shen et al. 2020, arXiv 2003.07845, figure 2).",
	},
	{
		ID: "batch-variance", Title: "BatchNorm's variances", Label: "‖batch − running‖ / features", log: true,
		probes: results.BatchVar,
		Caption: "Distance from BatchNorm's batch variances, unbiased, to its running variances, " +
			"mean over the norms.",
	},
	{
		ID: "log-z", Title: "Output normalizer", Label: "mean log Z (nats)",
		probes:  func(p runlog.Probe) runlog.Float { return p.LogZ.Mean },
		Caption: "Mean over the tokens of log Z = log Σ exp(logits).",
	},
}

// points returns the measure of a run without what was not measured.
func (v view) points(r runlog.Run) (points []chart.Point) {
	add := func(x int, y runlog.Float) {
		if !math.IsNaN(float64(y)) {
			points = append(points, chart.Point{X: float64(x), Y: float64(y)})
		}
	}
	switch n := len(r.Probes); {
	case v.steps != nil:
		for _, s := range r.Steps {
			add(s.Step, v.steps(s))
		}
	case !v.byDepth:
		for _, p := range r.Probes {
			add(p.Step, v.probes(p))
		}
	case n > 0:
		for i, s := range r.Probes[n-1].Residual {
			add(i, s.RMS)
		}
	}
	return points
}

// depthView is a measure at each depth of the model, as a map of depth by step.
type depthView struct {
	ID      string
	Title   string
	Label   string
	Rows    string // what a row of the map is
	Caption string
	at      func(runlog.Probe) []runlog.Float // from the first layer to the last
}

var depthViews = []depthView{
	{
		ID: "residual", Title: "Residual stream", Label: "RMS", Rows: "after block",
		Caption: "RMS of the residual stream's elements after the embedding (at the foot) and after each block.",
		at: func(p runlog.Probe) (f []runlog.Float) {
			for _, s := range p.Residual {
				f = append(f, s.RMS)
			}
			return f
		},
	},
	{
		ID: "attention", Title: "Attention logits", Label: "largest logit", Rows: "block",
		Caption: "The largest attention logit of each block, the first at the foot.",
		at:      func(p runlog.Probe) []runlog.Float { return p.Attention },
	},
	{
		ID: "drift", Title: "Drift of the norms' inputs", Label: "shift (standard deviations)", Rows: "norm",
		Caption: "How far the mean of each norm's input has moved since the last probe, the first norm at the foot; " +
			"without norms, of what would be their inputs.",
		at: func(p runlog.Probe) (f []runlog.Float) {
			for _, n := range p.Norms {
				if n.Drift != nil {
					f = append(f, n.Drift.Shift)
				}
			}
			return f
		},
	},
}
