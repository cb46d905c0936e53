package host

import (
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Memory returns the bytes of memory that this process can have: those of the machine, of its control
// group, or of its address space (ulimit -v), whichever are fewest. It returns false if they are unknown.
func Memory() (bytes float64, known bool) {
	n := memory()
	return n, !math.IsInf(n, 1)
}

var memory = sync.OnceValue(func() float64 {
	least := math.Inf(1)
	least = min(least, totalIn("/proc/meminfo"))
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, _ := os.ReadFile(path)
		if n, err := strconv.ParseFloat(strings.TrimSpace(string(text)), 64); err == nil && n > 0 { // else "max"
			least = min(least, n)
		}
	}
	var space syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_AS, &space) == nil && space.Cur < math.MaxInt64 {
		least = min(least, float64(space.Cur))
	}
	return least
})

// totalIn returns the total of /proc/meminfo, infinity if the file does not have it.
func totalIn(path string) float64 {
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" && f[2] == "kB" {
			if n, err := strconv.ParseFloat(f[1], 64); err == nil {
				return n * 1024
			}
		}
	}
	return math.Inf(1)
}
