package benchmark

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// coresLine describes how much faster n threads are than one.
func coresLine(n int) string {
	if n == 1 {
		return ""
	}
	return fmt.Sprintf(" Before the run, %d threads did %s times the work of one.", n, number(cores(n)))
}

// cores measures how many times the work of one thread n threads do, for work that is
// arithmetic only. On a shared machine the result may be little above 1, and then
// comparisons on n threads mean little.
func cores(n int) float64 {
	const rounds = 9
	var times [2][]float64
	for range rounds {
		times[0] = append(times[0], spinOn(1))
		times[1] = append(times[1], spinOn(n))
	}
	return float64(n) * median(times[0]) / median(times[1])
}

// spinOn returns the seconds that n goroutines take, which all do the same work.
func spinOn(n int) float64 {
	start := time.Now()
	var threads sync.WaitGroup
	for range n {
		threads.Go(spin)
	}
	threads.Wait()
	return time.Since(start).Seconds()
}

// spun prevents the compiler from removing the work.
var spun atomic.Int64

func spin() {
	x := int64(1)
	for i := range int64(10_000_000) {
		x = x*6364136223846793005 + i
	}
	spun.Store(x)
}
