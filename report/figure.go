package report

import (
	"fmt"
	"html/template"
	"strings"

	"gonum.org/v1/plot"

	"gorgonorm/runlog"
)

// figure is a picture with what it shows.
type figure struct {
	Title   string
	SVG     template.HTML
	Caption string
}

// chosen are the rows that a figure shows, and which they are if not all.
type chosen struct {
	rows []row
	are  string // a sentence
}

// caption starts with what is drawn, and says of which runs.
func (c chosen) caption(what string) []string {
	if c.are == "" {
		return []string{what}
	}
	return []string{what, c.are}
}

// lossFigure shows the training loss as lines, the validation loss as marks; nil
// for no runs.
func lossFigure(title string, shown chosen) (*figure, error) {
	if len(shown.rows) == 0 {
		return nil, nil
	}
	ts, leftOut := traces(shown.rows, func(s runlog.Step) runlog.Float { return s.Loss }, false)
	vals, _ := traces(shown.rows, valLoss, false)
	f, cut := lossFrame(shown.rows, ts, vals)
	c := newChart(f)
	for i, t := range ts {
		look := []plot.Thumbnailer{c.curve(t.style, t.points)}
		if val := vals[i].points; len(val) > 0 {
			look = append(look, c.marks(t.Color, t.Glyph, 3.5, val))
		}
		c.entry(t.label(), look...)
	}
	caption := append(shown.caption("Lines: training loss of each step, one batch, not smoothed. Marks: validation loss."),
		spread("Last training loss of each run:", ts, last, loss))
	if cut {
		caption = append(caption, spread("The axis is cut; highest training loss of each run:", ts, highest, loss))
	}
	if leftOut > 0 {
		caption = append(caption, fmt.Sprintf("Left out as not finite: %d.", leftOut))
	}
	return c.ended(title, ts, caption)
}

func valLoss(s runlog.Step) runlog.Float {
	if s.ValLoss == nil {
		return notANumber
	}
	return *s.ValLoss
}

// gradFigure shows the gradient norms on a logarithmic axis; nil for no runs.
func gradFigure(shown chosen) (*figure, error) {
	if len(shown.rows) == 0 {
		return nil, nil
	}
	ts, leftOut := traces(shown.rows, func(s runlog.Step) runlog.Float { return s.GradNorm }, true)
	c := newChart(frame{stepAxis(shown.rows), logAxis("global gradient norm before clipping", ts)})
	caption := append(shown.caption("Gradient norm of each step, on a logarithmic axis, not smoothed."),
		spread("Highest of each run:", ts, highest, significant))
	if clip, shared := sharedClip(shown.rows); shared && c.level(clip) {
		caption = append(caption, fmt.Sprintf("Above the grey line, at %g, gradients were clipped.", clip))
	}
	for _, t := range ts {
		c.entry(t.label(), c.curve(t.style, t.points))
	}
	if leftOut > 0 {
		caption = append(caption, fmt.Sprintf("Left out as not finite or not above zero: %d.", leftOut))
	}
	return c.ended("Gradient norm", ts, caption)
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

// ended marks where runs diverged and draws the chart.
func (c *chart) ended(title string, ts []trace, caption []string) (*figure, error) {
	if c.ends(ts) > 0 {
		caption = append(caption, "A cross marks the last finite value of a run that diverged, at the upper edge if it lies beyond.")
	}
	return c.figure(title, caption)
}

// figure draws the chart.
func (c *chart) figure(title string, caption []string) (*figure, error) {
	label := title
	if by := " by " + c.x.label; !strings.HasSuffix(title, by) {
		label += by
	}
	svg, err := c.svg(label + ": " + strings.Join(c.labels, "; "))
	return &figure{title, svg, strings.Join(caption, " ")}, err
}
