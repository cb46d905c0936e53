package hostile

import (
	"runtime"
	"testing"
)

// Allocates fails the test if a function that reads a file of this many bytes allocates more than some
// megabytes and a hundred times the file, garbage included: a file must not ask for memory that it does
// not hold.
func Allocates(t testing.TB, file int, read func()) {
	t.Helper()
	const base, factor = 8 << 20, 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	read()
	runtime.ReadMemStats(&after)
	if n, most := after.TotalAlloc-before.TotalAlloc, uint64(base+factor*file); n > most {
		t.Fatalf("a file of %d bytes makes its reader allocate %d, want at most %d", file, n, most)
	}
}
