package cpu

import (
	"reflect"
	"sync"
)

// Grow returns a slice of n elements: s itself if its capacity suffices, a new slice otherwise.
// The elements are unspecified.
func Grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// do runs all chunks of a task. It moves the task to a borrowed E, so that it allocates nothing once there
// are enough of them.
func do[E any, P interface {
	*E
	task
}](t *E, chunks int) {
	var none E
	e := borrow[E]()
	*e = *t
	parallel(P(e), chunks)
	*e = none // keeps none of the caller's slices alive
	giveBack(e)
}

// lists maps the reflect.Type of each E to its *freeList[E].
var lists sync.Map

// borrow returns an E that nobody else uses until giveBack gets it. The E holds whatever its last
// user left in it. Once as many exist as are in use at a time, borrow allocates nothing.
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
