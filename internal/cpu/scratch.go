package cpu

import (
	"reflect"
	"sync"
)

// Grow returns a slice of n elements, s itself if it is long enough. What it
// holds is unspecified.
func Grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// lists holds a *freeList[E] for each type E, by its reflect.Type.
var lists sync.Map

// borrow returns an E that nobody else uses until giveBack gets it. It holds what its last
// user left, so that a kernel's call allocates nothing once there have been as many at a
// time.
func borrow[E any]() *E { return listOf[E]().get() }

// giveBack makes e free for the next borrow.
func giveBack[E any](e *E) { listOf[E]().put(e) }

func listOf[E any]() *freeList[E] {
	t := reflect.TypeFor[E]()
	l, ok := lists.Load(t)
	if !ok {
		l, _ = lists.LoadOrStore(t, new(freeList[E]))
	}
	return l.(*freeList[E])
}

// freeList holds objects of one type that nobody uses.
type freeList[E any] struct {
	mu   sync.Mutex
	free []*E
}

func (f *freeList[E]) get() *E {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.free)
	if n == 0 {
		return new(E)
	}
	e := f.free[n-1]
	f.free = f.free[:n-1]
	return e
}

func (f *freeList[E]) put(e *E) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.free = append(f.free, e)
}
