//go:build unix

package cli

import (
	"fmt"
	"syscall"
)

// leastFiles is the number of open files that a program needs at the most, with a margin.
const leastFiles = 32

// checkFiles returns an error if the process may have too few open files. Go would stop with a stack
// trace, and a program in the middle of its work.
func checkFiles() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < leastFiles {
		return fmt.Errorf("the limit of open files is %d, want %d or more (see ulimit -n)", limit.Cur, leastFiles)
	}
	return nil
}
