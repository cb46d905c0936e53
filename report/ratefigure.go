package report

import (
	"fmt"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"

	"gorgonorm/runlog"
)

func trainRate(r row) runlog.Float { return runlog.Float(r.Config.LR) }

// rates are the grid's learning rates, ascending.
func (s summary) rates() (rates []runlog.Float) {
	for _, r := range s.Rows {
		if lr := trainRate(r); !slices.Contains(rates, lr) {
			rates = append(rates, lr)
		}
	}
	slices.Sort(rates)
	return rates
}

// rateFigure shows the final validation loss by learning rate, a line a variant
// through the means over the seeds, a mark each seed; nil for one rate. It is the
// figure of Wortsman et al. 2023 (arXiv 2309.14322).
func rateFigure(s summary) (*figure, error) {
	f, inits, ok := rateFrame(s)
	if !ok {
		return nil, nil
	}
	c := newChart(f)
	caption := []string{"Validation loss of the last step, learning rates on a logarithmic axis. Lines: mean over the seeds; marks: each seed."}
	if len(inits) > 0 {
		mean, _ := runlog.MeanStd(inits)
		c.level(float64(mean))
		lo, hi := extremes(inits)
		what := "loss at initialisation"
		if loaded(s.Rows) != "" {
			what = "loss of guessing"
		}
		caption = append(caption, fmt.Sprintf("Grey line: %s, %s.", what, fromTo(loss(lo), loss(hi))))
	}
	looks := make([]row, len(s.Variants))
	for i, v := range s.Variants {
		if looks[i].Name = v.Name; len(v.Rows) > 0 {
			looks[i] = v.Rows[0]
		}
	}
	lost := map[runlog.Float][]style{} // by rate, one for each variant with such a run
	for i, st := range styles(looks) {
		v := s.Variants[i]
		lines, marks, beyond := v.byRatePoints(f)
		look := []plot.Thumbnailer{c.curve(st, nil), c.marks(st.Color, st.Glyph, 3.5, marks)}
		for _, line := range lines {
			c.curve(st, line)
		}
		for _, lr := range beyond {
			lost[lr] = append(lost[lr], st)
		}
		c.entry(v.Name, look...)
	}
	for _, lr := range s.rates() {
		c.crosses(float64(lr), lost[lr])
	}
	if len(lost) > 0 {
		caption = append(caption, "A cross at the upper edge: the loss of a seed was above it or not finite.")
	}
	return c.figure("Final validation loss by learning rate", caption)
}

// rateFrame holds all rates, and the losses up to a bit above an untrained model's. It
// is not there for fewer than two rates above zero.
func rateFrame(s summary) (f frame, inits []runlog.Float, ok bool) {
	rates := slices.DeleteFunc(s.rates(), func(lr runlog.Float) bool { return !(lr > 0) })
	if len(rates) < 2 {
		return f, nil, false
	}
	var losses []runlog.Float
	for _, v := range s.Variants {
		for _, r := range v.Rows {
			inits, losses = append(inits, r.Untrained()), append(losses, final(r))
		}
	}
	inits, losses = finite(inits), finite(losses)
	lo, hi := extremes(append(inits, losses...))
	if len(inits) > 0 {
		_, hi = extremes(inits)
	}
	if !lo.Finite() || !hi.Finite() {
		lo, hi = 0, 1
	}
	pad := (hi - lo) / 20
	if pad == 0 {
		pad = 0.5
	}
	return frame{
		axis{label: "learning rate", lo: float64(rates[0]) / 1.4, hi: float64(rates[len(rates)-1]) * 1.4, log: true},
		axis{label: "validation loss (nats per token)", lo: float64(lo - pad), hi: float64(hi + pad)},
	}, inits, true
}

// crosses puts them side by side at the upper edge.
func (c *chart) crosses(x float64, looks []style) {
	for i, look := range looks {
		aside := (float64(i) - float64(len(looks)-1)/2) / 150
		c.marks(look.Color, cross{}, 5, plotter.XYs{{X: c.x.along(x, aside), Y: c.y.hi}})
	}
}

// byRatePoints are a variant's mean losses as lines that end at the upper edge,
// the losses of its runs, and the rates at which some lie beyond.
func (v variant) byRatePoints(f frame) (lines []plotter.XYs, marks plotter.XYs, beyond []runlog.Float) {
	edge := f.y.hi
	within := func(l runlog.Float) bool { return l.Finite() && float64(l) <= edge }
	var line plotter.XYs
	atEdge := func() bool { return len(line) == 1 && line[0].Y == edge }
	for i, lr := range v.rates {
		if !(lr > 0) {
			continue
		}
		mean := plotter.XY{X: float64(lr), Y: edge}
		if within(v.means[i]) {
			mean.Y = float64(v.means[i])
		}
		if mean.Y == edge && atEdge() {
			line = nil // no line along the edge
		}
		line = append(line, mean)
		if mean.Y == edge && len(line) > 1 {
			lines = append(lines, line)
			line = plotter.XYs{mean} // from which the next may come down
		}
		n := len(marks)
		losses := v.losses(lr)
		for _, l := range losses {
			if within(l) {
				marks = append(marks, plotter.XY{X: float64(lr), Y: float64(l)})
			}
		}
		if len(marks)-n < len(losses) {
			beyond = append(beyond, lr)
		}
	}
	if len(line) > 0 && !atEdge() {
		lines = append(lines, line)
	}
	return lines, marks, beyond
}
