package claims

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strconv"

	"gorgonorm/report/chart"
)

//go:embed claims.html.tmpl
var pageText string

var pageTemplate = template.Must(template.New("claims").Parse(pageText))

// page is what the template shows.
type page struct {
	Title string
	Settings
	Claims []pageClaim

	Light, Dark template.CSS // colours of series
}

type pageClaim struct {
	About
	Judgements []pageJudgement
	Pictures   []picture
	Thumbnail  template.HTML
}

type pageJudgement struct {
	Judgement
	Numbers       string // the effect's size and interval
	OnThisMachine bool
}

type picture struct {
	Title  string
	SVG    template.HTML
	Legend []legendEntry
}

type legendEntry struct {
	Label  string
	Swatch template.HTML
}

// tested is a claim and all that a page shows of it.
type tested struct {
	claim      Claim
	judgements []Judgement
	timed      []Judgement // of times on this machine
	figures    []Figure
}

// writePage writes the claims as one page that needs no other file.
func writePage(w io.Writer, s Settings, all []tested) error {
	light, dark := chart.Variables()
	p := page{Settings: s, Light: template.CSS(light), Dark: template.CSS(dark)}
	counts := make(map[Verdict]int)
	for _, t := range all {
		c := pageClaim{About: t.claim.About}
		for _, j := range t.judgements {
			counts[j.Verdict]++
			c.Judgements = append(c.Judgements, pageJudgement{j, numbers(j.Size), false})
		}
		for _, j := range t.timed {
			counts[j.Verdict]++
			c.Judgements = append(c.Judgements, pageJudgement{j, numbers(j.Size), true})
		}
		for _, f := range t.figures {
			p, err := f.picture()
			if err != nil {
				return fmt.Errorf("claims: %s: %w", t.claim.Name, err)
			}
			c.Pictures = append(c.Pictures, p)
		}
		if len(c.Pictures) > 0 {
			c.Thumbnail = c.Pictures[0].SVG
		}
		p.Claims = append(p.Claims, c)
	}
	p.Title = fmt.Sprintf("Claims about normalization: %d supported, %d refuted, %d depends, %d undecided",
		counts[Supported], counts[Refuted], counts[Depends], counts[Undecided])
	return pageTemplate.Execute(w, p)
}

// numbers returns a mean and its interval, as "1.488 (1.478 to 1.498)".
func numbers(i Interval) string {
	mean := short(i.Mean)
	if i.N < 2 || math.IsInf(i.Low, 0) || i.Low == i.High {
		return mean
	}
	return fmt.Sprintf("%s (%s to %s)", mean, short(i.Low), short(i.High))
}

func short(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

// picture draws the figure.
func (f Figure) picture() (picture, error) {
	c := f.chart()
	svg, err := c.SVG()
	if err != nil {
		return picture{}, err
	}
	legend, err := c.Legend()
	p := picture{Title: f.Title, SVG: template.HTML(svg)}
	for _, e := range legend {
		p.Legend = append(p.Legend, legendEntry{e.Label, template.HTML(e.Swatch)})
	}
	return p, err
}

func (f Figure) chart() chart.Chart {
	x, y := f.ranges()
	c := chart.Chart{Title: f.Title, X: x.axis(f.X, f.LogX), Y: y.axis(f.Y, f.LogY)}
	if f.Names != nil {
		c.X = chart.Named(f.X, f.Names)
	}
	for i, curve := range f.Curves {
		s := chart.Series{Label: curve.Name, Style: chart.Style{Color: i + 1, Pattern: i}, Marks: []chart.Point{}}
		var line []chart.Point
		for _, p := range curve.Points {
			if !chart.Drawable(p.Y, f.LogY) || !chart.Drawable(p.X, f.LogX) {
				continue
			}
			at := chart.Point{X: p.X, Y: p.Y}
			if f.Names != nil { // so that marks of several curves stand side by side
				at.X += (float64(i) - float64(len(f.Curves)-1)/2) * 0.12
			}
			line, s.Marks = append(line, at), append(s.Marks, at)
			if p.Low < p.High && chart.Drawable(p.Low, f.LogY) && chart.Drawable(p.High, f.LogY) {
				s.Lines = append(s.Lines, []chart.Point{{X: at.X, Y: p.Low}, {X: at.X, Y: p.High}})
			}
		}
		if !curve.Dots {
			s.Lines = append(s.Lines, line)
		}
		c.Series = append(c.Series, s)
	}
	for _, l := range f.Levels {
		c.Levels = append(c.Levels, chart.Level{Label: l.Name, Y: l.Y})
	}
	return c
}

// extent is the range of some values.
type extent struct{ lo, hi float64 }

func (e *extent) add(v float64, log bool) {
	if chart.Drawable(v, log) {
		e.lo, e.hi = min(e.lo, v), max(e.hi, v)
	}
}

func (e extent) axis(label string, log bool) chart.Axis {
	switch {
	case e.lo > e.hi && log: // no values
		return chart.Log(label, 1, 10)
	case e.lo > e.hi:
		return chart.Linear(label, 0, 1)
	case log:
		return chart.Log(label, e.lo, e.hi)
	default:
		return chart.Linear(label, e.lo, e.hi)
	}
}

// ranges returns what the axes must hold: all points, their intervals and the levels.
func (f Figure) ranges() (x, y extent) {
	x, y = extent{math.Inf(1), math.Inf(-1)}, extent{math.Inf(1), math.Inf(-1)}
	for _, c := range f.Curves {
		for _, p := range c.Points {
			x.add(p.X, f.LogX)
			for _, v := range []float64{p.Y, p.Low, p.High} {
				y.add(v, f.LogY)
			}
		}
	}
	for _, l := range f.Levels {
		y.add(l.Y, f.LogY)
	}
	return x, y
}
