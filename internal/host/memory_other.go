//go:build !linux

package host

// Memory returns false, because the memory that a process can have is known on Linux alone.
func Memory() (bytes float64, known bool) { return 0, false }
