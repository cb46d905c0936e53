package chart

import (
	"math"

	"gonum.org/v1/plot"
)

// Axis is a range of values. In the plot every axis is linear, because gonum misplaces
// the label of a logarithmic one.
type Axis struct {
	Label  string
	Lo, Hi float64
	Log    bool      // logarithmic
	Whole  bool      // with ticks at whole numbers only
	Names  []string  // of the values 0, 1, 2, … instead of numbers
	At     []float64 // the values that have ticks, ascending; nil for round ones
}

// Linear returns an axis that holds the values from lo to hi with a margin.
func Linear(label string, lo, hi float64) Axis {
	margin := (hi - lo) / 20
	if margin == 0 {
		margin = 0.5
	}
	return Axis{Label: label, Lo: lo - margin, Hi: hi + margin}
}

// Named returns an axis of names at 0, 1, 2, ….
func Named(label string, names []string) Axis {
	return Axis{Label: label, Lo: -0.5, Hi: float64(len(names)) - 0.5, Names: names}
}

// Log returns a logarithmic axis that holds the values from lo to hi with a margin, and
// spans at least a factor of four.
func Log(label string, lo, hi float64) Axis {
	if hi < 4*lo {
		lo, hi = lo/2, hi*2
	}
	return Axis{Label: label, Lo: lo / 1.1, Hi: hi * 1.1, Log: true}
}

// Drawable reports whether a value has a size that an axis can show.
func Drawable(v float64, log bool) bool {
	return math.Abs(v) < 1e100 && !(log && v < 1e-100)
}

// Inside reports whether a value is inside the axis.
func (a Axis) Inside(v float64) bool { return v > a.Lo && v < a.Hi }

// at returns the coordinate of a value in the plot. Values far outside the axis are
// moved nearer, because clipping a curve to them would lose all digits.
func (a Axis) at(v float64) float64 {
	if a.Log {
		return math.Log10(v)
	}
	far := 1e6 * (a.Hi - a.Lo)
	return max(a.Lo-far, min(v, a.Hi+far))
}

// right returns the value to the right of v by a fraction of the axis.
func (a Axis) right(v, fraction float64) float64 {
	if a.Log {
		return v * math.Pow(a.Hi/a.Lo, fraction)
	}
	return v + (a.Hi-a.Lo)*fraction
}

func (a Axis) ticks() plot.TickerFunc {
	switch {
	case a.Names != nil:
		return namedTicks(a.Names)
	case a.At != nil:
		return a.ticksAt
	case a.Log:
		return logTicks
	case a.Whole:
		return wholeTicks
	default:
		return linearTicks
	}
}
