package chart

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
)

// linearTicks returns labelled ticks at about six round values: multiples of 1, 2 or 5.
func linearTicks(lo, hi float64) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10((hi-lo)/6)))
	for _, m := range []float64{1, 2, 5, 10} {
		if (hi-lo)/(m*step) <= 7 {
			step *= m
			break
		}
	}
	var ticks []plot.Tick
	first := math.Ceil(lo / step)
	for i := 0.0; i < 8; i++ {
		v := (first+i)*step + 0                                             // never -0
		if !(v <= hi) || len(ticks) > 0 && v <= ticks[len(ticks)-1].Value { // beyond 2⁵³ steps i is lost
			break
		}
		ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprintf("%.5g", v)})
	}
	return ticks
}

// wholeTicks returns those of the linear ticks that are at whole numbers.
func wholeTicks(lo, hi float64) []plot.Tick {
	return slices.DeleteFunc(linearTicks(lo, hi), func(t plot.Tick) bool { return t.Value != math.Trunc(t.Value) })
}

// logTicks returns ticks in terms of exponents. It labels powers of ten, and 2 and 5
// between them if there are few.
func logTicks(lo, hi float64) []plot.Tick {
	every := 1 + int((hi-lo)/10) // decades from label to label
	var ticks []plot.Tick
	for k := int(math.Floor(lo)); float64(k) <= hi; k++ {
		for m := 1; m < 10; m++ {
			t := plot.Tick{Value: float64(k) + math.Log10(float64(m))}
			if t.Value < lo || t.Value > hi || every > 1 && (m > 1 || k%every != 0) {
				continue
			}
			if m == 1 || hi-lo < 3 && (m == 2 || m == 5) {
				t.Label = power(float64(m) * math.Pow10(k))
			}
			ticks = append(ticks, t)
		}
	}
	return ticks
}

// power formats v without the leading zeros that %g writes in exponents.
func power(v float64) string {
	return strings.NewReplacer("e+0", "e", "e+", "e", "e-0", "e-").Replace(fmt.Sprintf("%.3g", v))
}

// ticksAt returns ticks at the axis's own values, and labels as many of them as fit beside each
// other.
func (a Axis) ticksAt(lo, hi float64) (ticks []plot.Tick) {
	const character = 1.0 / 55 // width of one, as a part of the axis
	free := math.Inf(-1)       // from where on a label fits
	for _, v := range a.At {
		t := plot.Tick{Value: a.at(v)}
		label := power(v)
		half := float64(len(label)+1) / 2 * character * (hi - lo)
		if t.Value-half >= free {
			t.Label, free = label, t.Value+half
		}
		ticks = append(ticks, t)
	}
	return ticks
}

// namedTicks has a tick with a name at each of 0, 1, 2, ….
func namedTicks(names []string) plot.TickerFunc {
	return func(_, _ float64) (ticks []plot.Tick) {
		for i, name := range names {
			ticks = append(ticks, plot.Tick{Value: float64(i), Label: name})
		}
		return ticks
	}
}
