package report

import (
	"fmt"
	"io"
	"slices"

	"gorgonorm/report/chart"
	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// rateFigure shows the final validation loss by learning rate: a line for each variant through the
// means over the seeds, a band from the lowest to the highest of them, and a mark for each. It is
// the figure of Wortsman et al. 2023 (arXiv 2309.14322). It returns false for fewer than two rates
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
	caption := []string{"Validation loss of the last step."}
	if s.Seeds() > 1 {
		caption = append(caption, "Lines: mean over the seeds; marks and band: the seeds.")
	}
	if len(untrained) > 0 {
		mean, _ := runlog.MeanStd(untrained)
		what := "before training"
		if s.Loaded() {
			what = "guessing"
		}
		c.Levels = []chart.Level{{Label: what, Y: float64(mean)}}
	}
	var kinds []results.Kind
	for _, v := range s.Variants {
		kinds = append(kinds, v.Kind)
	}
	lost := map[runlog.Float][]chart.Style{} // by rate, one for each variant with a lost run
	for i, style := range styles(kinds) {
		v := s.Variants[i]
		marks, lostRates := seedMarks(v, c.Y.Hi)
		c.Series = append(c.Series, chart.Series{
			Label: v.Name, Style: style, Band: seedBand(v, c.Y.Hi), Lines: meanLines(v, c.Y.Hi), Marks: marks,
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
	return figure{"rate", c, caption}, true
}

// rateAxis returns an axis for learning rates, which ascend, with a tick at each.
func rateAxis(lrs []runlog.Float) chart.Axis {
	a := chart.Axis{
		Label: "learning rate", Lo: float64(lrs[0]) / 1.4, Hi: float64(lrs[len(lrs)-1]) * 1.4, Log: true,
	}
	for _, lr := range lrs {
		a.At = append(a.At, float64(lr))
	}
	return a
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

// seedBand returns the range of the seeds' losses from the first learning rate on, as far as all
// are below the edge.
func seedBand(v results.Variant, edge float64) (band []chart.Span) {
	for _, lr := range v.Rates {
		losses := v.Losses(lr)
		if !(lr > 0) || len(losses) < 2 {
			continue
		}
		r := results.RangeOf(losses)
		if !within(r.Lo, edge) || !within(r.Hi, edge) {
			break
		}
		band = append(band, chart.Span{X: float64(lr), Lo: float64(r.Lo), Hi: float64(r.Hi)})
	}
	return band
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

// SVG writes the figure of losses by learning rate as a file of its own, and reports whether the
// runs have one: it takes two learning rates.
func SVG(w io.Writer, records runlog.Records) (written bool, err error) {
	if w == nil {
		return false, errNoWriter
	}
	s, err := summarize(records)
	if err != nil {
		return false, err
	}
	f, ok := s.rateFigure()
	if !ok {
		return false, nil
	}
	svg, err := f.File()
	if err != nil {
		return false, fmt.Errorf("report: %w", err)
	}
	if _, err := w.Write(svg); err != nil {
		return false, fmt.Errorf("report: %w", err)
	}
	return true, nil
}
