package chart

import (
	"testing"

	"gorgonorm/internal/hostile"
)

// TestNoPanics calls every exported function and method with what nobody means to give.
func TestNoPanics(t *testing.T) {
	t.Parallel()
	hostile.Test(t, hostile.Package{
		Functions: map[string]any{
			"Linear": Linear, "Named": Named, "Log": Log, "Drawable": Drawable, "CompareY": CompareY, "Highest": Highest,
			"Lowest": Lowest, "Variables": Variables,
		},
		Values: []any{
			Linear("x", 0, 1), Log("y", 1, 10), Chart{X: Linear("x", 0, 1), Y: Log("y", 1, 10)}, Style{}, Point{1, 2},
		},
		Tries: 300,
	})
}
