package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gorgonorm/train"
)

const missing = "–"

// loss has three decimals, more than one seed carries, while it is of a size
// that a loss should have.
func loss(f train.Float) string {
	if f.Finite() && math.Abs(float64(f)) < 100 {
		return fmt.Sprintf("%.3f", float64(f))
	}
	return significant(f)
}

// significant has three significant digits.
func significant(f train.Float) string {
	switch v := float64(f); {
	case math.IsNaN(v):
		return missing
	case math.IsInf(v, 0):
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(v, 'g', -1, 64), "+"))
	default:
		return fmt.Sprintf("%.3g", v)
	}
}

func speed(f train.Float) string {
	if !f.Finite() || math.Abs(float64(f)) > math.MaxInt32 {
		return significant(f)
	}
	return thousands(int(math.Round(float64(f))))
}

func diverged(step int) string {
	if step == 0 {
		return "no"
	}
	return fmt.Sprintf("step %d", step)
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
