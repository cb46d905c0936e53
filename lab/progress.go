package lab

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gorgonorm/runlog"
)

// Line is where progress is shown: a line that changes or, if that cannot be, plain
// ones now and then. What is written to it stays.
type Line interface {
	io.Writer
	Due() bool // whether it is time to show how work that goes on all the time gets on
	Show(text string)
	Clear() // takes the changing line away
}

// progress shows how the runs get on: a line that changes on a terminal, a plain
// line now and then elsewhere, and a line for each run that ends.
type progress struct {
	Line
	began time.Time

	runs, ended int
	stepsDone   int
	steps       float64  // of all runs; an int may not hold them
	order       []string // of the runs at hand
	at          map[string]runlog.Step
	perRun      int
}

func newProgress(line Line, runs []runlog.Config) *progress {
	p := &progress{Line: line, runs: len(runs), began: time.Now(), at: make(map[string]runlog.Step), perRun: runs[0].Steps}
	p.steps = float64(len(runs)) * float64(p.perRun)
	return p
}

// step shows a step, if it is time to.
func (p *progress) step(c runlog.Config, s runlog.Step) {
	id := c.ID()
	if _, ok := p.at[id]; !ok {
		p.order = append(p.order, id)
	}
	p.at[id] = s
	p.stepsDone++
	if !p.Due() {
		return
	}
	line := fmt.Sprintf("[%d/%d]", p.ended, p.runs)
	for _, id := range p.order {
		line += fmt.Sprintf("  %s %d/%d loss %.4g", id, p.at[id].Step, p.perRun, float64(p.at[id].Loss))
	}
	line += "  " + short(p.left()) + " left"
	p.Show(line)
}

func (p *progress) left() time.Duration {
	const longest = 1 << 62 // 146 years
	perStep := time.Since(p.began) / time.Duration(p.stepsDone)
	return time.Duration(min(float64(perStep)*(p.steps-float64(p.stepsDone)), longest))
}

// done ends a run's lines with its result.
func (p *progress) done(r runlog.Run) {
	id := r.Config.ID()
	p.ended++
	p.steps -= float64(p.perRun - p.at[id].Step) // those it did not take, or not here
	delete(p.at, id)
	p.order = slices.DeleteFunc(p.order, func(o string) bool { return o == id })
	fmt.Fprintf(p, "[%d/%d]  %s  %s\n", p.ended, p.runs, id, result(r))
}

func result(r runlog.Run) string {
	s := r.Summary
	var what []string
	switch {
	case s.DivergedAt > 0 && s.Divergence == runlog.NonFinite:
		what = append(what, fmt.Sprintf("diverged at step %d", s.DivergedAt))
		if s.NonFinite != "" {
			what = append(what, "first not finite: "+s.NonFinite)
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
