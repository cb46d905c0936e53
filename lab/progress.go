package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"gorgonorm/examples/internal/cli"
	"gorgonorm/train"
)

// progress shows how the runs get on: a line that changes on a terminal, a plain
// line now and then elsewhere, and a line for each run that ends.
type progress struct {
	*cli.Line
	began time.Time

	runs, ended int
	stepsDone   int
	steps       float64  // of all runs; an int may not hold them
	order       []string // of the runs at hand
	at          map[string]train.Step
	perRun      int
}

func newProgress(w io.Writer, runs []train.Config) *progress {
	p := &progress{Line: cli.NewLine(w), runs: len(runs), began: time.Now(), at: make(map[string]train.Step), perRun: runs[0].Steps}
	p.steps = float64(len(runs)) * float64(p.perRun)
	return p
}

// step shows a step, if it is time to.
func (p *progress) step(c train.Config, s train.Step) {
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
func (p *progress) done(r train.Run) {
	id := r.Config.ID()
	p.ended++
	p.steps -= float64(p.perRun - p.at[id].Step) // those it did not take, or not here
	delete(p.at, id)
	p.order = slices.DeleteFunc(p.order, func(o string) bool { return o == id })
	fmt.Fprintf(p, "[%d/%d]  %s  %s\n", p.ended, p.runs, id, result(r))
}

func result(r train.Run) string {
	s := r.Summary
	var what []string
	switch {
	case s.DivergedAt > 0 && s.Divergence == train.NonFinite:
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
