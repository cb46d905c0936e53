package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"gonum.org/v1/plot"

	"gorgonorm/train"
)

// figure is a picture with what it shows.
type figure struct {
	Title   string
	SVG     template.HTML
	Caption string
}

// lossFigure shows the training loss as lines, the validation loss as marks.
func lossFigure(rows []row) (figure, error) {
	ts, leftOut := traces(rows, func(s train.Step) train.Float { return s.Loss }, false)
	vals, _ := traces(rows, valLoss, false)
	f, cut := lossFrame(rows, ts, vals)
	c := newChart("loss (nats per token)", f)
	for i, t := range ts {
		look := []plot.Thumbnailer{c.curve(t.style, t.points)}
		if val := vals[i].points; len(val) > 0 {
			look = append(look, c.marks(t.Color, t.Glyph, 3.5, val))
		}
		c.legend.Add(t.label(), look...)
	}
	caption := []string{
		"Lines: training loss of each step, one batch, not smoothed. Marks: validation loss.",
		spread("Last training loss of each run:", ts, last, loss),
	}
	if cut {
		caption = append(caption, spread("The axis is cut; highest training loss of each run:", ts, highest, loss))
	}
	if leftOut > 0 {
		caption = append(caption, fmt.Sprintf("Left out as not finite: %d.", leftOut))
	}
	return c.figure("Loss", ts, caption)
}

func valLoss(s train.Step) train.Float {
	if s.ValLoss == nil {
		return train.Float(math.NaN())
	}
	return *s.ValLoss
}

// gradFigure shows the gradient norms on a logarithmic axis.
func gradFigure(rows []row) (figure, error) {
	ts, leftOut := traces(rows, func(s train.Step) train.Float { return s.GradNorm }, true)
	c := newChart("global gradient norm before clipping", gradFrame(rows, ts))
	caption := []string{
		"Gradient norm of each step, on a logarithmic axis, not smoothed.",
		spread("Highest of each run:", ts, highest, significant),
	}
	if clip, shared := sharedClip(rows); shared && c.level(clip) {
		caption = append(caption, fmt.Sprintf("Above the grey line, at %g, gradients were clipped.", clip))
	}
	for _, t := range ts {
		c.legend.Add(t.label(), c.curve(t.style, t.points))
	}
	if leftOut > 0 {
		caption = append(caption, fmt.Sprintf("Left out as not finite or not above zero: %d.", leftOut))
	}
	return c.figure("Gradient norm", ts, caption)
}

func sharedClip(rows []row) (clip float64, shared bool) {
	clip = rows[0].Config.Clip
	for _, r := range rows {
		if r.Config.Clip != clip {
			return 0, false
		}
	}
	return clip, clip > 0
}

// figure marks where runs diverged and draws the chart.
func (c *chart) figure(title string, ts []trace, caption []string) (figure, error) {
	if c.ends(ts) > 0 {
		caption = append(caption, "A cross marks the last finite value of a run that diverged, at the upper edge if it lies beyond.")
	}
	var labels []string
	for _, t := range ts {
		labels = append(labels, t.label())
	}
	svg, err := c.svg(fmt.Sprintf("%s by training step: %s", title, strings.Join(labels, "; ")))
	return figure{title, svg, strings.Join(caption, " ")}, err
}
