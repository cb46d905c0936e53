package chart

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"gonum.org/v1/plot"
)

func TestTicks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		ticks  func(lo, hi float64) []plot.Tick
		lo, hi float64
		want   []string
	}{
		{"steps", linearTicks, 0, 300, []string{"0", "50", "100", "150", "200", "250", "300"}},
		{"one step", linearTicks, 0, 1, []string{"0", "0.2", "0.4", "0.6", "0.8", "1"}},
		{"losses", linearTicks, 1.53, 4.31, []string{"2", "2.5", "3", "3.5", "4"}},
		{"just below zero", linearTicks, -0.1, 4, []string{"0", "1", "2", "3", "4"}},
		{"below zero", linearTicks, -1, 1, []string{"-1", "-0.5", "0", "0.5", "1"}},
		{"closer than floats are", linearTicks, 1e17, 1e17 + 16, []string{"1e+17"}},
		{"one value", linearTicks, 3, 3, nil},
		{"within a decade", logTicks, -0.6, 0.6, []string{"0.5", "1", "2"}},
		{"some decades", logTicks, -0.5, 5.6, []string{"1", "10", "100", "1e3", "1e4", "1e5"}},
		{"many decades", logTicks, -3, 38.5, []string{"1", "1e5", "1e10", "1e15", "1e20", "1e25", "1e30", "1e35"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var labels []string
			for _, tick := range c.ticks(c.lo, c.hi) {
				assert.GreaterOrEqual(t, tick.Value, c.lo)
				assert.LessOrEqual(t, tick.Value, c.hi)
				if tick.Label != "" {
					labels = append(labels, tick.Label)
				}
			}
			assert.Equal(t, c.want, labels)
		})
	}
}

// TestTicksAtValues: each of an axis's own values has a tick, and a label where there is room.
func TestTicksAtValues(t *testing.T) {
	t.Parallel()
	a := Axis{Lo: 0.0002, Hi: 0.5, Log: true, At: []float64{0.0003, 0.001, 0.003, 0.0031, 0.01, 0.3}}
	var labels []string
	for _, tick := range a.ticks()(a.at(a.Lo), a.at(a.Hi)) {
		labels = append(labels, tick.Label)
	}
	assert.Equal(t, []string{"0.0003", "0.001", "0.003", "", "0.01", "0.3"}, labels)
}
