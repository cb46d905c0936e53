package runlog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// A file or a directory of a run is written under a temporary name beside its own, and renamed when it
// is complete. A lock on it, which ends with its process, tells others whether it is still written.
// Without locks, on Windows and on some network file systems, its age has to tell.

// mark ends the names of temporaries, which begin with a dot and the name of what is written.
const mark = ".gorgonorm-tmp"

// stale is the age at which a temporary without a lock must belong to a process that was killed,
// because writing takes a fraction of a second.
const stale = time.Hour

// temporary is a new file or directory that this process holds until it is released.
type temporary struct {
	path string
	lock *flock.Flock // nil without locks
}

// newTemporary creates what will be renamed to path. Function create is that of os.
func newTemporary(path string, create func(dir, pattern string) (string, error)) (t temporary, err error) {
	dir, name := filepath.Split(path)
	if dir == "" {
		dir = "." // not the system's directory of temporaries
	}
	removeStale(dir, "."+name+".")
	const tries = 10
	for range tries {
		if t.path, err = create(dir, "."+name+".*"+mark); err != nil {
			return t, err
		}
		lock, held, failed := tryLock(t.path)
		_, err := os.Lstat(t.path)
		switch {
		case err == nil && failed != nil: // no locks here
			return t, nil
		case err == nil && held:
			t.lock = lock
			return t, nil
		case failed == nil: // another process took it for a killed one's, before it was locked
			_ = lock.Close()
		}
	}
	return t, errors.New("other processes remove its temporary files all the time")
}

func createFile(dir, pattern string) (string, error) {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// remove removes the temporary, unless it has been renamed, and releases it.
func (t temporary) remove() {
	_ = os.RemoveAll(t.path) // what is left is removed as stale
	if t.lock != nil {
		_ = t.lock.Close()
	}
}

var errNoLocks = errors.New("there are no locks")

// lockOf returns the lock of a file or a directory, nil on Windows, where an open file cannot be renamed.
func lockOf(path string) *flock.Flock {
	if runtime.GOOS == "windows" {
		return nil
	}
	return flock.New(path, flock.SetFlag(os.O_RDONLY))
}

// tryLock locks a file or a directory if no other process has, or returns an error if locks are not
// supported there.
func tryLock(path string) (lock *flock.Flock, held bool, err error) {
	if lock = lockOf(path); lock == nil {
		return nil, false, errNoLocks
	}
	if held, err = lock.TryLock(); err != nil {
		return nil, false, errors.Join(err, lock.Close())
	}
	return lock, held, nil
}

// lockDir waits for a lock on a directory, and reports whether it has it. It does without one where
// there are no locks, or if another process has held it for longer than any needs it.
func lockDir(dir string) (unlock func(), locked bool) {
	lock := lockOf(dir)
	if lock == nil {
		return func() {}, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	held, err := lock.TryLockContext(ctx, time.Millisecond)
	return func() { _ = lock.Close() }, held && err == nil
}

// RemoveStale removes what processes that were killed have left half written in a directory of runs.
// What cannot be removed stays.
func RemoveStale(dir string) { removeStale(dir, ".") }

// removeStale is RemoveStale for names with a prefix.
func removeStale(dir, prefix string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || !strings.HasSuffix(e.Name(), mark) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		lock, held, err := tryLock(path)
		if info, failed := e.Info(); err != nil && failed == nil {
			held = time.Since(info.ModTime()) > stale
		}
		if held {
			_ = os.RemoveAll(path)
		}
		if lock != nil {
			_ = lock.Close()
		}
	}
}
