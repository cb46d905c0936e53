// Package golden helps tests: it reads the values that testdata/golden.py computed with PyTorch,
// generates the same inputs as those scripts, and compares results.
package golden

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Tensor is a float tensor of a golden file, row-major.
type Tensor struct {
	Shape []int
	Data  []float64
}

// Ints is an integer tensor of a golden file, row-major.
type Ints struct {
	Shape, Data []int
}

// Read decodes a JSON file in testdata/.
func Read(t *testing.T, file string, into any) {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	b, err := os.ReadFile(filepath.Join(filepath.Dir(here), "..", "..", "testdata", file))
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatalf("golden: %s: %v", file, err)
	}
}

// Made returns n pseudorandom numbers with this mean and standard deviation, each a sum of four
// uniform numbers. They equal those of data in testdata/oracle/made.py, so that PyTorch can compute
// with the same numbers.
func Made(seed uint64, n int, mean, deviation float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		var total float64
		for range 4 {
			seed = seed*6364136223846793005 + 1442695040888963407
			total += float64(seed>>40)/(1<<24) - 0.5
		}
		x[i] = mean + float64(deviation*total)*math.Sqrt(3)
	}
	return x
}

// Within is a tolerance: Rel is relative to the largest expected value, and Abs is for values that
// remain after cancellation.
type Within struct{ Rel, Abs float64 }

// RequireClose fails the test unless every element of got is within tol of want. NaN is never within
// a tolerance.
func RequireClose(t *testing.T, want, got []float64, tol Within, format string, args ...any) {
	t.Helper()
	what := fmt.Sprintf(format, args...)
	if len(got) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(got), len(want))
	}
	largest := 0.0
	for _, w := range want {
		largest = max(largest, math.Abs(w))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= tol.Rel*largest+tol.Abs) {
			t.Fatalf("%s: element %d is %.15g, want %.15g (tolerance %g of %g, plus %g)",
				what, i, got[i], want[i], tol.Rel, largest, tol.Abs)
		}
	}
}
