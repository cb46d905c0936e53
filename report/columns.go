package report

import (
	"fmt"

	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// column is a measure of a run or of a variant.
type column[T any] struct {
	Head    string
	Explain string // in a sentence, for readers of the page who point at the head
	Cell    func(T) string
	wide    bool                 // only for the page, because a terminal is narrow
	better  func(T) runlog.Float // the lower the better; nil where nothing is best
}

// runColumns are those of a run, its name first.
var runColumns = []column[row]{
	{Head: "run", Cell: func(r row) string { return r.Name }},
	{Head: "parameters", Cell: func(r row) string { return thousands(r.Summary.Parameters) }},
	{
		Head: "init val", Explain: "Validation loss of the initial weights.",
		Cell: func(r row) string { return loss(r.Summary.InitVal) },
	},
	{
		Head: "first loss", Explain: "Training loss of the first step.",
		Cell: func(r row) string { return loss(r.Summary.FirstLoss) },
	},
	{
		Head: "last loss", Explain: "Training loss of the last step.",
		Cell: func(r row) string { return loss(r.Summary.LastLoss) },
	},
	{
		Head: "best val", Explain: "Lowest validation loss.",
		Cell:   func(r row) string { return loss(r.Summary.BestVal) },
		better: func(r row) runlog.Float { return unlessDiverged(r.Run, r.Summary.BestVal) },
	},
	{
		Head: "last val", Explain: "Last validation loss.",
		Cell:   func(r row) string { return loss(r.Summary.LastVal) },
		better: func(r row) runlog.Float { return unlessDiverged(r.Run, r.Summary.LastVal) },
	},
	{
		Head: "max grad norm", Explain: "Largest global gradient norm before clipping.",
		Cell: func(r row) string { return significant(r.Summary.MaxGradNorm) },
	},
	{
		Head: "spikes, %", Explain: "Share of the steps at which the loss / the gradient norm spikes.",
		Cell: func(r row) string { return pair(r.Summary.LossSpikes, r.Summary.GradSpikes) },
	},
	{
		Head: "diverged", Explain: "The step at which the run diverged.",
		Cell: func(r row) string { return diverged(r.Summary) },
	},
}

func unlessDiverged(r runlog.Run, f runlog.Float) runlog.Float {
	if r.Summary.DivergedAt > 0 {
		return nan
	}
	return f
}

// variantColumns are those of a variant, its name first.
var variantColumns = []column[results.Variant]{
	{Head: "variant", Cell: func(v results.Variant) string { return v.Name }},
	{
		Head:    "best loss",
		Explain: "Lowest last validation loss over the learning rates, mean ± standard deviation over the seeds.",
		Cell:    func(v results.Variant) string { return plusMinus(v.Best, v.BestStd) },
		better:  func(v results.Variant) runlog.Float { return v.Best },
	},
	{
		Head: "seeds from, to", Explain: "The lowest and the highest of the seeds' best losses.", wide: true,
		Cell: func(v results.Variant) string {
			r := results.RangeOf(v.Lowest)
			if len(v.Lowest) < 2 || !r.Lo.Finite() || !r.Hi.Finite() {
				return missing
			}
			return loss(r.Lo) + "–" + loss(r.Hi)
		},
	},
	{
		Head: "at lr", Explain: "The learning rate with the lowest mean loss.",
		Cell: func(v results.Variant) string { return rate(v.BestLR) },
	},
	{
		Head:    "place",
		Explain: "Place by the best loss: a range, if the seeds of several variants overlap.",
		Cell:    func(v results.Variant) string { return place(v.Place) },
	},
	{
		Head:    "LR sens.",
		Explain: "Sensitivity to the learning rate: mean over the rates of the loss less the lowest loss.",
		Cell:    func(v results.Variant) string { return plusMinus(v.Sensitivity, v.SensitivityStd) },
		better:  func(v results.Variant) runlog.Float { return v.Sensitivity },
	},
	{
		Head: "place", Explain: "Place by the sensitivity to the learning rate.",
		Cell: func(v results.Variant) string { return place(v.SensitivityPlace) },
	},
	{
		Head:    "top lr",
		Explain: fmt.Sprintf("The largest learning rate with a mean loss within %g nat of the best.", results.Tolerance),
		Cell:    func(v results.Variant) string { return rate(v.LargestLR) },
		better:  func(v results.Variant) runlog.Float { return -v.LargestLR },
	},
	{
		Head: "diverged", Explain: "The number of runs that diverged.",
		Cell: func(v results.Variant) string { return fmt.Sprintf("%d of %d", v.Diverged, len(v.Runs)) },
	},
	{
		Head: "grad norm", Explain: "Gradient norm: median over the steps, then over the runs.",
		Cell: func(v results.Variant) string { return significant(v.MedianGradNorm) },
	},
	{
		Head: "largest grad norm", Explain: "The largest gradient norm of all steps of all runs.", wide: true,
		Cell: func(v results.Variant) string { return significant(v.MaxGradNorm) },
	},
	{
		Head: "grad norm varies", wide: true,
		Explain: "Coefficient of variation of the gradient norm over the steps (deviation over mean), median over the runs.",
		Cell:    func(v results.Variant) string { return significant(v.GradNormCV) },
	},
	{
		Head: "spikes, %", Explain: "Share of the steps at which the loss / the gradient norm spikes, mean over the runs.",
		Cell: func(v results.Variant) string { return pair(v.LossSpikes, v.GradSpikes) },
	},
	{
		Head: "gap", Explain: "Loss in evaluation mode less the loss in training mode, median over the runs.",
		Cell: func(v results.Variant) string { return loss(v.Gap) },
	},
}

// table is the text of lines and columns, for the terminal and the page.
type table struct {
	Head    []string
	Explain []string
	Body    [][]string
	Best    [][]bool // the cells that are the best of their columns
}

// tabulate leaves out columns in which nothing was measured.
func tabulate[T any](columns []column[T], wide bool, items []T) table {
	t := table{Body: make([][]string, len(items)), Best: make([][]bool, len(items))}
	for _, c := range columns {
		if c.wide && !wide {
			continue
		}
		cells := make([]string, len(items))
		measured := false
		for i, item := range items {
			cells[i] = c.Cell(item)
			measured = measured || cells[i] != missing
		}
		if !measured {
			continue
		}
		t.Head, t.Explain = append(t.Head, c.Head), append(t.Explain, c.Explain)
		best := c.best(items, cells)
		for i := range items {
			t.Body[i], t.Best[i] = append(t.Body[i], cells[i]), append(t.Best[i], best[i])
		}
	}
	return t
}

// best reports of each cell whether it is the best of its column, as it is written. Where all are
// equal, none is.
func (c column[T]) best(items []T, cells []string) []bool {
	best := make([]bool, len(items))
	if c.better == nil {
		return best
	}
	lowest := -1
	for i, item := range items {
		if v := c.better(item); v == v && (lowest < 0 || v < c.better(items[lowest])) {
			lowest = i
		}
	}
	n := 0
	for i := range cells {
		if best[i] = lowest >= 0 && cells[i] == cells[lowest]; best[i] {
			n++
		}
	}
	if n == len(items) {
		return make([]bool, len(items))
	}
	return best
}

// table returns the main table: a line for each variant of a grid, or else for each run.
func (s summary) table(wide bool) table {
	t := tabulate(runColumns, wide, s.Rows)
	if s.Grid {
		t = tabulate(variantColumns, wide, s.Variants)
	}
	if !s.judged() {
		for _, best := range t.Best {
			clear(best)
		}
	}
	return t
}
