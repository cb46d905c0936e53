package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"gorgonorm/train"
)

// progress shows how a run gets on: a line that changes on a terminal, a plain
// line now and then elsewhere.
type progress struct {
	w     io.Writer
	norm  string
	steps int
	live  bool
	fd    int       // of a terminal
	last  time.Time // of the last line shown
}

// plainEvery is the time between two plain lines.
const plainEvery = 10 * time.Second

func newProgress(w io.Writer, c train.Config) *progress {
	p := &progress{w: w, norm: c.Norm, steps: c.Steps}
	if f, ok := w.(*os.File); ok {
		p.fd = int(f.Fd())
		p.live = term.IsTerminal(p.fd)
	}
	return p
}

// step shows a step, if it is time to.
func (p *progress) step(s train.Step) {
	every := plainEvery
	if p.live {
		every = time.Second / 10
	}
	if time.Since(p.last) < every && s.Step < p.steps && s.Step > 1 {
		return
	}
	p.last = time.Now()
	line := fmt.Sprintf("%-5s  step %d/%d  loss %.4f  grad norm %.3f  %.0f tokens/s  %s left",
		p.norm, s.Step, p.steps, float64(s.Loss), float64(s.GradNorm), float64(s.TokensPerSec), p.left(s))
	if !p.live {
		fmt.Fprintln(p.w, line)
		return
	}
	if width, _, err := term.GetSize(p.fd); err == nil && width > 0 && len(line) >= width { // a line that wraps cannot be taken back
		line = line[:width-1]
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", line)
}

func (p *progress) left(s train.Step) time.Duration {
	perStep := float64(s.Seconds) / float64(s.Step)
	return time.Duration(perStep * float64(p.steps-s.Step) * float64(time.Second)).Round(time.Second)
}

// done ends the run's line with its result.
func (p *progress) done(s train.Summary) {
	result := fmt.Sprintf("done in %.0f s", float64(s.Seconds))
	switch {
	case s.DivergedAt > 0:
		result = fmt.Sprintf("diverged at step %d", s.DivergedAt)
	case s.Interrupted:
		result = fmt.Sprintf("stopped at step %d", s.Steps)
	}
	if p.live {
		fmt.Fprintln(p.w)
	}
	fmt.Fprintf(p.w, "%-5s  %s\n", p.norm, result)
}
