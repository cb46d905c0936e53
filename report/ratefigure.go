package report

import (
	"fmt"
	"slices"

	"gorgonorm/report/chart"
	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// rateFigure shows the final validation loss by learning rate: a line for each variant
// through the means over the seeds, and a mark for each seed. It is the figure of
// Wortsman et al. 2023 (arXiv 2309.14322). It returns false for fewer than two rates
// above zero.
func (s summary) rateFigure() (f figure, ok bool) {
	lrs := slices.DeleteFunc(s.Rates(), func(lr runlog.Float) bool { return !(lr > 0) })
	if !s.Grid || len(lrs) < 2 {
		return f, false
	}
	untrained := s.Untrained()
	c := chart.Chart{
		Title: "Final validation loss by learning rate",
		X:     rateAxis(lrs), Y: finalAxis(untrained, s.Finals()), LinesOnTop: true,
	}
	caption := []string{
		"Validation loss of the last step, learning rates on a logarithmic axis.",
		"Lines: mean over the seeds; marks: each seed.",
	}
	if len(untrained) > 0 {
		mean, _ := runlog.MeanStd(untrained)
		c.Levels = []chart.Level{{Y: float64(mean)}}
		what := "loss at initialisation"
		if s.Loaded() {
			what = "loss of guessing"
		}
		caption = append(caption, fmt.Sprintf("Grey line: %s, %s.", what, span(results.RangeOf(untrained), loss)))
	}
	kinds := make([]results.Kind, len(s.Variants))
	for i, v := range s.Variants {
		kinds[i] = v.Kind
	}
	lost := map[runlog.Float][]chart.Style{} // by rate, one for each variant with a lost run
	for i, style := range styles(kinds) {
		v := s.Variants[i]
		marks, lostRates := seedMarks(v, c.Y.Hi)
		c.Series = append(c.Series, chart.Series{
			Label: v.Name, Style: style, Lines: meanLines(v, c.Y.Hi), Marks: marks,
		})
		for _, lr := range lostRates {
			lost[lr] = append(lost[lr], style)
		}
	}
	for _, lr := range lrs {
		c.Crosses = append(c.Crosses, c.AtTop(float64(lr), lost[lr])...)
	}
	if len(lost) > 0 {
		caption = append(caption, "A cross at the upper edge: the loss of a seed was above it or not finite.")
	}
	return figure{c, caption}, true
}

// rateAxis returns an axis for learning rates, which ascend.
func rateAxis(lrs []runlog.Float) chart.Axis {
	lo, hi := float64(lrs[0])/1.4, float64(lrs[len(lrs)-1])*1.4
	return chart.Axis{Label: "learning rate", Lo: lo, Hi: hi, Log: true}
}

// finalAxis returns an axis for final losses up to those of untrained models.
func finalAxis(untrained, finals []runlog.Float) chart.Axis {
	r := results.RangeOf(slices.Concat(untrained, finals))
	if len(untrained) > 0 {
		r.Hi = results.RangeOf(untrained).Hi
	}
	if !r.Lo.Finite() || !r.Hi.Finite() {
		r = results.Range{Lo: 0, Hi: 1}
	}
	return chart.Linear("validation loss (nats per token)", float64(r.Lo), float64(r.Hi))
}

// meanLines returns a variant's mean losses by learning rate as lines that end at the
// upper edge, with none along it.
func meanLines(v results.Variant, edge float64) (lines [][]chart.Point) {
	var line []chart.Point
	onlyEdge := func() bool { return len(line) == 1 && line[0].Y == edge }
	for i, lr := range v.Rates {
		if !(lr > 0) {
			continue
		}
		mean := chart.Point{X: float64(lr), Y: edge}
		if within(v.Means[i], edge) {
			mean.Y = float64(v.Means[i])
		}
		if mean.Y == edge && onlyEdge() {
			line = nil
		}
		line = append(line, mean)
		if mean.Y == edge && len(line) > 1 {
			lines = append(lines, line)
			line = []chart.Point{mean} // from which the next may come down
		}
	}
	if len(line) > 0 && !onlyEdge() {
		lines = append(lines, line)
	}
	return lines
}

// seedMarks returns the losses of a variant's runs by learning rate, and the rates at
// which some are above the edge or not finite.
func seedMarks(v results.Variant, edge float64) (marks []chart.Point, lost []runlog.Float) {
	marks = []chart.Point{} // not nil, because the legend shows a mark
	for _, lr := range v.Rates {
		if !(lr > 0) {
			continue
		}
		losses := v.Losses(lr)
		for _, l := range losses {
			if within(l, edge) {
				marks = append(marks, chart.Point{X: float64(lr), Y: float64(l)})
			}
		}
		if slices.ContainsFunc(losses, func(l runlog.Float) bool { return !within(l, edge) }) {
			lost = append(lost, lr)
		}
	}
	return marks, lost
}

func within(loss runlog.Float, edge float64) bool { return loss.Finite() && float64(loss) <= edge }
