package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"gorgonorm/train"
)

// plan is what is to be done.
type plan struct {
	grid    train.Grid
	shard   shard
	total   int // runs of the grid
	planned int // runs of the share of it, or all
	pending []train.Config
	again   []train.Broken // the pending ones of which something is there
	start   []string       // what is said of loaded weights
}

// what names the text and the grid.
func (p plan) what(text *train.Corpus) string {
	g := p.grid
	var axes []string
	axis := func(n int, name, values string) {
		if n > 1 {
			axes = append(axes, fmt.Sprintf("%d %s (%s)", n, name, values))
		}
	}
	axis(len(g.Norms), "norms", join(g.Norms, itself))
	axis(len(g.Placements), "placements", join(g.Placements, itself))
	axis(len(g.QKNorms), "times qk-norm", join(g.QKNorms, inWords))
	axis(len(g.LRs), "learning rates", join(g.LRs, numeral))
	axis(g.Seeds, "seeds", fmt.Sprintf("%d to %d", g.Base.Seed, g.Base.Seed+uint64(g.Seeds-1)))
	s := fmt.Sprintf("%s: %d characters to learn, %d to validate, a vocabulary of %d\n", text.Path, len(text.Train), len(text.Val), len(text.Vocabulary))
	s += fmt.Sprintf("%s of %s", count(p.total, "run"), count(g.Base.Steps, "step"))
	if len(axes) > 0 {
		s += ": " + strings.Join(axes, " × ")
	}
	if p.shard.n > 0 {
		s += fmt.Sprintf("\nshare %v: %s", &p.shard, count(p.planned, "run"))
	}
	return s
}

// how tells what is left and how long it will take.
func (p plan) how(e train.Estimate, jobs int) string {
	s := ""
	if done := p.planned - len(p.pending); done > 0 {
		s = fmt.Sprintf("%d finished already, ", done)
	}
	s += fmt.Sprintf("%d to do, ", len(p.pending))
	switch {
	case e.Jobs > 1:
		s += fmt.Sprintf("%d side by side", e.Jobs)
	default:
		s += "one after the other"
	}
	if jobs == 0 && len(p.pending) > 1 {
		s += " (measured as the faster way)"
	}
	s += ": about " + short(e.Time)
	if p.grid.Base.StopOnDivergence {
		s += ", less if runs are given up"
	}
	return s
}

func join[T any](values []T, format func(T) string) string {
	var s []string
	for _, v := range values {
		s = append(s, format(v))
	}
	return strings.Join(s, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// short is a time as one would say it.
func short(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.0f s", math.Ceil(d.Seconds()))
	}
	if d < time.Hour {
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}
