package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

var nan = runlog.Float(math.NaN())

// missing stands for what was not measured or is not a number.
const missing = "–"

// loss formats a loss with three decimals, more than one seed supports, if it has the
// size of a loss.
func loss(f runlog.Float) string {
	if f.Finite() && math.Abs(float64(f)) < 100 {
		return fmt.Sprintf("%.3f", float64(f))
	}
	return significant(f)
}

// significant formats a number with three significant digits.
func significant(f runlog.Float) string {
	switch v := float64(f); {
	case math.IsNaN(v):
		return missing
	case math.IsInf(v, 0):
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(v, 'g', -1, 64), "+"))
	default:
		return fmt.Sprintf("%.3g", v)
	}
}

func speed(f runlog.Float) string {
	if !f.Finite() || math.Abs(float64(f)) > math.MaxInt32 {
		return significant(f)
	}
	return thousands(int(math.Round(float64(f))))
}

// rate formats a number with as many digits as it needs.
func rate(f runlog.Float) string {
	if !f.Finite() {
		return missing
	}
	return strconv.FormatFloat(float64(f), 'g', -1, 64)
}

// plusMinus formats a loss with its standard deviation, if there is one.
func plusMinus(mean, std runlog.Float) string {
	if !std.Finite() {
		return loss(mean)
	}
	return loss(mean) + " ± " + loss(std)
}

// pair formats two fractions in per cent.
func pair(a, b runlog.Float) string {
	if !a.Finite() && !b.Finite() {
		return missing
	}
	return percent(a) + " / " + percent(b)
}

func percent(f runlog.Float) string {
	if !f.Finite() {
		return missing
	}
	return fmt.Sprintf("%.1f", 100*float64(f))
}

// diverged returns the step at which a run diverged, and how if its values stayed finite.
func diverged(s runlog.Summary) string {
	switch {
	case s.DivergedAt == 0:
		return "no"
	case s.Divergence.AtTheEnd():
		return fmt.Sprintf("step %d, %s", s.DivergedAt, s.Divergence)
	default:
		return fmt.Sprintf("step %d", s.DivergedAt)
	}
}

// thousands formats an integer with commas between groups of three digits.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// count writes a number with its noun: "1 run", "28 runs".
func count(n int, noun string) string { return thousands(n) + " " + plural(n, noun) }

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// list joins names with commas and a final "and".
func list(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// rates lists learning rates.
func rates(lrs []runlog.Float) string {
	var items []string
	for _, lr := range lrs {
		items = append(items, rate(lr))
	}
	return list(items)
}

// span formats a range, or the number that both ends are as written.
func span(r results.Range, format func(runlog.Float) string) string {
	lo, hi := format(r.Lo), format(r.Hi)
	if lo == hi {
		return lo
	}
	return lo + " to " + hi
}

// place formats a rank, or the range that contains it.
func place(p runlog.Place) string {
	switch {
	case p == runlog.Place{}:
		return missing
	case p.Best == p.Worst:
		return strconv.Itoa(p.Best)
	default:
		return fmt.Sprintf("%d–%d", p.Best, p.Worst)
	}
}

// chance formats the probability that n seeds each of two equal variants are apart.
func chance(n int) string { return fmt.Sprintf("%.2g %%", results.Chance(n)) }
