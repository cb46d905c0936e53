package lab

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gorgonorm/runlog"
)

// Line shows progress in lines that change, or in plain lines at intervals. Text that is written
// to it stays.
type Line interface {
	io.Writer
	Due() bool // reports whether it is time to show progress again

	// ShowRows shows progress. A row returns its text in at most width characters, or in as many as
	// it has if width is 0.
	ShowRows(rows ...func(width int) string)

	Clear() // removes the changing lines
}

// progress shows the state of the current runs, and a line for each run that ends.
type progress struct {
	Line
	began time.Time

	runs, ended int
	stepsDone   int
	steps       float64 // of all runs, a number that may overflow an int
	perRun      int     // steps
	current     []*running
}

// running is a run that is being trained.
type running struct {
	id          string
	step, steps int
	loss        runlog.Float
	losses      history
}

func newProgress(line Line, runs []runlog.Config) *progress {
	p := &progress{Line: line, runs: len(runs), began: time.Now()}
	if len(runs) > 0 {
		p.perRun = runs[0].Steps
	}
	p.steps = float64(len(runs)) * float64(p.perRun)
	return p
}

// step records a step and shows it if the line is due.
func (p *progress) step(c runlog.Config, s runlog.Step) {
	r := p.run(c.ID())
	if r == nil {
		r = &running{id: c.ID(), steps: p.perRun}
		p.current = append(p.current, r)
		p.steps -= float64(s.Step - 1) // taken before the run was stopped
	}
	r.step, r.loss = s.Step, s.Loss
	r.losses.add(float64(s.Loss))
	p.stepsDone++
	if p.Due() {
		p.ShowRows(p.rows()...)
	}
}

func (p *progress) run(id string) *running {
	i := slices.IndexFunc(p.current, func(r *running) bool { return r.id == id })
	if i < 0 {
		return nil
	}
	return p.current[i]
}

// rows returns the time left and a row for each current run, which do not change any more.
func (p *progress) rows() (rows []func(width int) string) {
	head := fmt.Sprintf("%s left  [%d/%d]", duration(p.timeLeft()), p.ended, p.runs)
	rows = append(rows, func(width int) string { return shortened(head, width) })
	names := 0
	for _, r := range p.current {
		names = max(names, utf8.RuneCountInString(r.id))
	}
	for _, r := range p.current {
		now := *r
		now.losses = r.losses.clone()
		rows = append(rows, func(width int) string { return now.row(names, width) })
	}
	return rows
}

// row returns the run's name, its losses as a picture if there is room, its step and its loss.
func (r running) row(names, width int) string {
	steps := fmt.Sprint(r.steps)
	numbers := fmt.Sprintf("%*d/%s  loss %.4g", len(steps), r.step, steps, float64(r.loss))
	if width == 0 {
		return r.id + "  " + numbers
	}
	const least, most, gap, loss = 5, 60, 2, len("  loss 1.234e-05")
	right := 2*len(steps) + 1 + loss
	picture := min(most, width-names-right-2*gap)
	if picture < least {
		names, picture = min(names, max(0, width-right-gap)), 0
	}
	row := fmt.Sprintf("%-*s", names, shortened(r.id, names))
	if picture > 0 {
		row += fmt.Sprintf("%*s%s", gap, "", r.losses.picture(picture))
	}
	return shortened(row+strings.Repeat(" ", gap)+numbers, width)
}

// shortened replaces the middle of a text that is too long, because names differ at their ends.
func shortened(text string, width int) string {
	all := []rune(text)
	if width == 0 || len(all) <= width {
		return text
	}
	if width < 0 || width < 3 {
		return string(all[:max(0, width)])
	}
	end := (width - 1) / 2
	return string(all[:width-1-end]) + "…" + string(all[len(all)-end:])
}

// history keeps the means of equal parts of a series, at most mostParts of them.
type history struct {
	parts []float64
	size  int // values in a part
	sum   float64
	n     int
}

const mostParts = 256

func (h *history) add(v float64) {
	h.size = max(1, h.size)
	h.sum += v
	if h.n++; h.n < h.size {
		return
	}
	h.parts = append(h.parts, h.sum/float64(h.n))
	h.sum, h.n = 0, 0
	if len(h.parts) < mostParts {
		return
	}
	for i := range mostParts / 2 {
		h.parts[i] = (h.parts[2*i] + h.parts[2*i+1]) / 2
	}
	h.parts, h.size = h.parts[:mostParts/2], 2*h.size
}

func (h history) clone() history { h.parts = slices.Clone(h.parts); return h }

// picture draws the series in width characters, from its lowest to its highest value; what is not
// finite is a cross.
func (h history) picture(width int) string {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range h.parts {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	levels := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	n := min(width, len(h.parts))
	for i := range n {
		switch v := h.parts[i*len(h.parts)/n]; {
		case math.IsNaN(v) || math.IsInf(v, 0):
			b.WriteRune('×')
		case hi > lo:
			b.WriteRune(levels[int((v-lo)/(hi-lo)*float64(len(levels)-1)+0.5)])
		default:
			b.WriteRune(levels[0])
		}
	}
	return b.String() + strings.Repeat(" ", width-n)
}

func (p *progress) timeLeft() time.Duration {
	const longest = 1 << 62 // 146 years
	perStep := time.Since(p.began) / time.Duration(p.stepsDone)
	return time.Duration(min(float64(perStep)*(p.steps-float64(p.stepsDone)), longest))
}

// done writes the result of a run.
func (p *progress) done(r runlog.Run) {
	id := r.Config.ID()
	taken := 0
	if r := p.run(id); r != nil {
		taken = r.step
	}
	p.ended++
	p.steps -= float64(p.perRun - taken) // steps that the run did not take in this process
	p.current = slices.DeleteFunc(p.current, func(r *running) bool { return r.id == id })
	fmt.Fprintf(p, "[%d/%d]  %s  %s\n", p.ended, p.runs, id, result(r))
}

// result describes how a run ended.
func result(r runlog.Run) string {
	s := r.Summary
	var what []string
	switch {
	case s.DivergedAt > 0 && s.Divergence == runlog.NonFinite:
		what = append(what, fmt.Sprintf("diverged at step %d", s.DivergedAt))
		if s.NonFinite != "" {
			what = append(what, "first NaN or infinity at "+s.NonFinite)
		}
	case s.DivergedAt > 0:
		what = append(what, "diverged: "+string(s.Divergence))
	}
	if s.Interrupted || s.Stopped {
		what = append(what, fmt.Sprintf("stopped at step %d", s.Steps))
	}
	if s.LastVal.Finite() {
		what = append(what, fmt.Sprintf("validation loss %.4g", float64(s.LastVal)))
	}
	return strings.Join(append(what, fmt.Sprintf("in %.0f s", float64(r.Speed.Seconds))), ", ")
}
