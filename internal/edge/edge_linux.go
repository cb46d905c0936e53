// Package edge gives tests memory that ends where a protected page begins, or begins where one ends. A
// read or write of one element more is a fault, which Faults reports. It is for assembly, which checks
// no bounds.
package edge

import (
	"fmt"
	"os"
	"runtime/debug"
	"syscall"
	"unsafe"
)

// Memory hands out slices.
type Memory[T float32 | float64] struct {
	regions [][]T // between protected pages
	used    int
	end     bool
	beyond  int
}

// New returns memory for at most this many slices of at most this many elements each. It is never freed.
func New[T float32 | float64](slices, elements int) (*Memory[T], error) {
	var z T
	page := os.Getpagesize()
	size := (elements*int(unsafe.Sizeof(z)) + page - 1) / page * page
	m := &Memory[T]{beyond: -1}
	for range slices {
		all, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_NONE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		if err != nil {
			return nil, fmt.Errorf("edge: %w", err)
		}
		region := all[page : page+size]
		if err := syscall.Mprotect(region, syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
			return nil, fmt.Errorf("edge: %w", err)
		}
		m.regions = append(m.regions, unsafe.Slice((*T)(unsafe.Pointer(&region[0])), size/int(unsafe.Sizeof(z))))
	}
	return m, nil
}

// Start begins again with the first slice, whose elements are then, as those of all others, 1 to 1.75.
// Slices end at the end of a page if end is true, and begin at the beginning of one else. The slice with
// the index beyond, if there is one, lies one element further, on the protected page: a kernel that
// touches all of its slices must fault.
func (m *Memory[T]) Start(end bool, beyond int) {
	m.used, m.end, m.beyond = 0, end, beyond
	for _, r := range m.regions {
		for i := range r {
			r[i] = 1 + T(i%4)/4
		}
	}
}

// Used returns the number of slices since Start.
func (m *Memory[T]) Used() int { return m.used }

// Slice returns the next slice, of n elements.
func (m *Memory[T]) Slice(n int) []T {
	r := m.regions[m.used]
	at, further := 0, -1
	if m.end {
		at, further = len(r)-n, 1
	}
	if m.used == m.beyond {
		at += further
	}
	m.used++
	first := unsafe.Add(unsafe.Pointer(unsafe.SliceData(r)), at*int(unsafe.Sizeof(r[0])))
	return unsafe.Slice((*T)(first), n)
}

// Faults reports whether a function touches a protected page. The function must not start goroutines
// that do.
func Faults(f func()) (fault bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if e := recover(); e != nil {
			if _, ok := e.(interface{ Addr() uintptr }); !ok { // runtime.Error of a fault has its address
				panic(e)
			}
			fault = true
		}
	}()
	f()
	return false
}
