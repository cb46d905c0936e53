package lab

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// join formats values, separated by commas.
func join[T any](values []T, format func(T) string) string {
	var s []string
	for _, v := range values {
		s = append(s, format(v))
	}
	return strings.Join(s, ", ")
}

// and formats two words or more: "a, b and c".
func and(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}

// count formats a number of things: "1 run", "2 runs".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// duration formats a time with at most two units: "59 s", "1 min 5 s", "2 h 3 min".
func duration(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.0f s", math.Ceil(d.Seconds()))
	}
	if d < time.Hour {
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func verbatim[S ~string](s S) string { return string(s) }
