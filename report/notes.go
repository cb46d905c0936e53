package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gorgonorm/runlog"
)

// notes are the sentences without which the table would be misread.
func notes(s summary) []string {
	out := []string{"Losses in nats per token, gradient norms before clipping; – is not measured or not a number."}
	if s.Grid {
		out = append(out, variantNotes(s)...)
	}
	below := "that of the initial weights"
	if loaded(s.Rows) != "" {
		below = "that of guessing among the vocabulary's characters, from about which random weights start"
	}
	out = append(out, fmt.Sprintf("Diverged: a loss or the gradient norm was not finite, or the last validation loss was not below %s.", below))
	out = append(out, loadedNotes(s)...)
	if !s.Grid {
		out = append(out, fmt.Sprintf("Stable: not diverged, no training loss is above %d times the first, the last is not above the first.", explosion))
	}
	out = append(out, spikeNote(s.Rows))
	out = append(out, interrupted(s)...)
	out = append(out, incomplete(s)...)
	return append(out, origins(s)...)
}

// variantNotes say how the measures of a variant come from its runs.
func variantNotes(s summary) []string {
	most := "loss at the start"
	if loaded(s.Rows) != "" {
		most = "loss of guessing"
	}
	out := []string{
		"Best loss: the lowest last validation loss over the learning rates, mean ± standard deviation over the seeds; at lr: the rate where its mean is lowest.",
		fmt.Sprintf("LR sens.: mean over the rates of min(loss, %s) − lowest loss (Wortsman et al. 2023), over the seeds likewise. It is low, too, where no rate trains well: read it beside the best loss.", most),
		fmt.Sprintf("Top lr: the largest rate that trains to within %g nat of the lowest mean. A run that diverged as not finite, or was stopped early, has no loss.", tolerance),
		"Grad norm: median over the steps, then over the runs. Gap: loss in evaluation mode minus loss in training mode, of the same last weights on the same text, median over the runs.",
	}
	return append(out, placeNotes(s.Variants)...)
}

// placeNotes say what a place is, and how much of it is chance.
func placeNotes(vs []variant) []string {
	ranked := 0
	for _, v := range vs {
		if len(v.Lowest) > 1 {
			ranked++
		}
	}
	switch {
	case len(vs) == 1:
		return nil
	case ranked < 2:
		return []string{"No places: it takes two variants with two seeds each to tell a difference."}
	}
	what := "Place: from one more than the number of variants all of whose seeds are lower, to the number of all less those all of whose seeds are higher"
	if ranked < len(vs) {
		what += "; a variant with fewer than two seeds has none, and counts for none"
	}
	most := mostRates(vs)
	lacks := func(v variant) bool { return len(v.sensitivitiesOver(most)) < len(v.Lowest) }
	if len(most) > 1 && slices.ContainsFunc(vs, lacks) {
		what += "; by LR sensitivity, a seed without a run at each of the learning rates does not count"
	}
	n := fewest(samples(vs)...)
	return []string{what + ".", fmt.Sprintf(
		"With %d seeds each, two variants that do not differ come apart by chance, in one order or the other, in %s of cases. That is for each pair: among many pairs some come apart by chance.", n, chance(n))}
}

// samples are what the variants are placed by.
func samples(vs []variant) (all [][]runlog.Float) {
	for _, v := range vs {
		all = append(all, v.Lowest, v.Sensitivities)
	}
	return all
}

// spikeNote says what a spike is, and the window, which depends on how long a
// run is.
func spikeNote(rows []row) string {
	var windows []runlog.Float
	short := false
	for _, r := range rows {
		if w := r.Summary.SpikeWindow; w > 0 {
			windows = append(windows, runlog.Float(w))
		} else {
			short = true
		}
	}
	if len(windows) == 0 {
		return "Spikes are not measured: the runs are too short."
	}
	lo, hi := extremes(windows)
	s := fmt.Sprintf("Spikes, of the loss / of the gradient norm: share of values at least 7 standard deviations from the mean of the %s values before them",
		fromTo(rate(lo), rate(hi)))
	if lo < hi {
		s += ", by the length of the run"
	}
	if lo < 1000 {
		s += "; runs of this length are too short for OLMo 2's 1000"
	}
	if short {
		s += "; the shortest are too short for any"
	}
	return s + "."
}

// leftOut names the runs that cannot be used.
func leftOut(broken []runlog.Broken) (out []string) {
	for _, b := range broken {
		out = append(out, fmt.Sprintf("%q is left out because it is broken: %s.", b.Name, b.Reason))
	}
	return out
}

func interrupted(s summary) (out []string) {
	for _, r := range s.Rows {
		if r.Summary.Interrupted {
			told := fmt.Sprintf("%q was stopped at step %d of %d", r.Name, r.Summary.Steps, r.Config.Steps)
			if s.Grid {
				told += " and takes no part in what is measured"
			}
			out = append(out, told+".")
		}
	}
	return out
}

// incomplete tells of variants without runs at learning rates and seeds that
// others have, and of settings that a grid is not meant to mix.
func incomplete(s summary) (out []string) {
	if !s.Grid {
		return nil
	}
	type cell struct {
		lr   float64
		seed uint64
	}
	all := map[cell]bool{}
	for _, r := range s.Rows {
		all[cell{r.Config.LR, r.Config.Seed}] = true
	}
	for _, v := range s.Variants {
		there := map[cell]bool{}
		for _, r := range v.Rows {
			there[cell{r.Config.LR, r.Config.Seed}] = true
		}
		if len(there) < len(all) {
			out = append(out, fmt.Sprintf("%q: %d of %d runs are there; its measures are over fewer rates or seeds.", v.Name, len(there), len(all)))
		}
		if len(there) < len(v.Rows) {
			out = append(out, fmt.Sprintf("%q: runs beyond one a learning rate and seed: %d.", v.Name, len(v.Rows)-len(there)))
		}
	}
	if _, _, differ := s.settings(); len(differ) > 0 {
		var names []string
		for _, d := range differ {
			names = append(names, d.Name)
		}
		out = append(out, fmt.Sprintf("The runs differ in more than a grid should, and the measures mix that: %s.", list(names)))
	}
	return out
}

// mostOrigins is how many places of a first NaN or infinity are listed.
const mostOrigins = 8

// origins says at which node of the graph the first NaN or infinity of the
// diverged runs arose, runs of one variant and one node together.
func origins(s summary) (out []string) {
	type origin struct{ variant, node string }
	names := map[kind]string{}
	for _, v := range s.Variants {
		names[v.kind] = v.Name
	}
	var order []origin
	runs := map[origin][]row{}
	rates := map[float64]bool{}
	for _, r := range s.Rows {
		rates[r.Config.LR] = true
		if r.Summary.NonFinite == "" {
			continue
		}
		o := origin{names[kindOf(r.Run)], r.Summary.NonFinite}
		if runs[o] == nil {
			order = append(order, o)
		}
		runs[o] = append(runs[o], r)
	}
	if len(order) == 0 {
		return nil
	}
	out = []string{"Where the first value of a run that is not finite arose:"}
	for i, o := range order {
		if i == mostOrigins {
			return append(out, fmt.Sprintf("and %d more.", len(order)-i))
		}
		out = append(out, origined(o.variant, o.node, runs[o], len(rates) > 1))
	}
	return out
}

// origined tells of the runs of one variant in which the same node failed first.
func origined(name, node string, runs []row, byRate bool) string {
	var lrs []string
	var steps []runlog.Float
	for _, r := range runs {
		if lr := rate(runlog.Float(r.Config.LR)); len(lrs) == 0 || lrs[len(lrs)-1] != lr {
			lrs = append(lrs, lr)
		}
		steps = append(steps, runlog.Float(r.Summary.DivergedAt))
	}
	var b strings.Builder
	b.WriteString(strconv.Quote(name))
	if byRate {
		b.WriteString(", lr " + list(lrs))
	}
	lo, hi := extremes(steps)
	if lo == hi {
		fmt.Fprintf(&b, ": %q at step %g", node, float64(lo))
	} else {
		fmt.Fprintf(&b, ": %q at steps %g to %g", node, float64(lo), float64(hi))
	}
	if len(runs) > 1 {
		fmt.Fprintf(&b, " (%d runs)", len(runs))
	}
	return b.String()
}
