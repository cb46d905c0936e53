package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gorgonorm/runlog"
)

const missing = "–"

// loss has three decimals, more than one seed carries, while it is of a size
// that a loss should have.
func loss(f runlog.Float) string {
	if f.Finite() && math.Abs(float64(f)) < 100 {
		return fmt.Sprintf("%.3f", float64(f))
	}
	return significant(f)
}

// significant has three significant digits.
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

// rate is a learning rate, with the digits it was given in.
func rate(f runlog.Float) string {
	if !f.Finite() {
		return missing
	}
	return strconv.FormatFloat(float64(f), 'g', -1, 64)
}

// plusMinus is a loss with its standard deviation, if there is one.
func plusMinus(mean, std runlog.Float) string {
	if !std.Finite() {
		return loss(mean)
	}
	return loss(mean) + " ± " + loss(std)
}

// pair is two shares in per cent.
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

// diverged says at which step a run did, and how if its values stayed finite.
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

// thousands puts a comma before every third digit from the right.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// list joins names as English does.
func list(names []string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// fromTo is a range of numbers as written, or the one number it is.
func fromTo(lo, hi string) string {
	if lo == hi {
		return lo
	}
	return lo + " to " + hi
}
