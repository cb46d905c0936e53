package checkpoint

import (
	"testing"

	"gorgonorm/internal/hostile"
)

// TestNoPanics calls every exported function with what nobody means to give.
func TestNoPanics(t *testing.T) {
	hostile.Test(t, hostile.Package{Functions: map[string]any{"Open": Open}})
}
