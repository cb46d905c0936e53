package tokenizer

import (
	"errors"
	"fmt"
	"strings"
)

// faults collects the faults of a file by kind.
type faults struct {
	kinds []string // in the order of their first fault
	found map[string]*found
}

type found struct {
	n     int
	first []string
}

func (f *faults) add(kind, format string, args ...any) {
	k := f.found[kind]
	if k == nil {
		if f.found == nil {
			f.found = make(map[string]*found)
		}
		k = &found{}
		f.found[kind] = k
		f.kinds = append(f.kinds, kind)
	}
	k.n++
	const named = 3
	switch {
	case k.n <= named:
		k.first = append(k.first, fmt.Sprintf(format, args...))
	case k.n == named+1:
		k.first = append(k.first, "…")
	}
}

// err returns an error with the number of faults of each kind and the first few of them, or nil if
// there are no faults.
func (f *faults) err() error {
	if len(f.kinds) == 0 {
		return nil
	}
	var all []string
	for _, kind := range f.kinds {
		k := f.found[kind]
		all = append(all, fmt.Sprintf("%s (%d): %s", kind, k.n, strings.Join(k.first, ", ")))
	}
	return errors.New(strings.Join(all, "; "))
}
