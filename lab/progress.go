package lab

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gorgonorm/runlog"
)

// Line shows progress in a line that changes, or in plain lines at intervals. Text that is
// written to it stays.
type Line interface {
	io.Writer
	Due() bool        // reports whether it is time to show progress again
	Show(text string) // shows progress
	Clear()           // removes the changing line
}

// progress shows the state of the current runs, and a line for each run that ends.
type progress struct {
	Line
	began time.Time

	runs, ended int
	stepsDone   int
	steps       float64                // of all runs, a number that may overflow an int
	order       []string               // IDs of the current runs
	last        map[string]runlog.Step // of the current runs
	perRun      int                    // steps
}

func newProgress(line Line, runs []runlog.Config) *progress {
	p := &progress{Line: line, runs: len(runs), perRun: runs[0].Steps, began: time.Now(),
		last: make(map[string]runlog.Step)}
	p.steps = float64(len(runs)) * float64(p.perRun)
	return p
}

// step records a step and shows it if the line is due.
func (p *progress) step(c runlog.Config, s runlog.Step) {
	id := c.ID()
	if _, ok := p.last[id]; !ok {
		p.order = append(p.order, id)
	}
	p.last[id] = s
	p.stepsDone++
	if !p.Due() {
		return
	}
	line := fmt.Sprintf("[%d/%d]", p.ended, p.runs)
	for _, id := range p.order {
		line += fmt.Sprintf("  %s %d/%d loss %.4g", id, p.last[id].Step, p.perRun, float64(p.last[id].Loss))
	}
	line += "  " + duration(p.timeLeft()) + " left"
	p.Show(line)
}

func (p *progress) timeLeft() time.Duration {
	const longest = 1 << 62 // 146 years
	perStep := time.Since(p.began) / time.Duration(p.stepsDone)
	return time.Duration(min(float64(perStep)*(p.steps-float64(p.stepsDone)), longest))
}

// done writes the result of a run.
func (p *progress) done(r runlog.Run) {
	id := r.Config.ID()
	p.ended++
	p.steps -= float64(p.perRun - p.last[id].Step) // steps that the run did not take in this process
	delete(p.last, id)
	p.order = slices.DeleteFunc(p.order, func(o string) bool { return o == id })
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
