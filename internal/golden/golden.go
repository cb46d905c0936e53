// Package golden is for tests: it reads the values that testdata/golden.py has
// made with PyTorch, makes numbers that PyTorch can be had on, and compares.
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

// Read reads a file of testdata/.
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

// Made gives n numbers of a mean and a deviation, sums of four uniform ones: those of
// data in testdata/oracle/made.py, so that PyTorch can be had on the same.
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

// Within is how far values may be from what they should be: Rel of the largest
// of them, and Abs for those that are what is left after cancellation.
type Within struct{ Rel, Abs float64 }

// RequireClose fails where got is not as close to want as tol says. NaN is close
// to nothing.
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
			t.Fatalf("%s: element %d is %.15g, want %.15g (tolerance %g of %g, and %g)", what, i, got[i], want[i], tol.Rel, largest, tol.Abs)
		}
	}
}
