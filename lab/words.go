package lab

import (
	"fmt"
	"math"
	"strings"
	"time"
)

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
