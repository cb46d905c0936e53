package tokenizer

import (
	"errors"
	"fmt"
	"strings"
)

// faults are all that is wrong with a file, by kind.
type faults struct {
	kinds []string // in the order of their first fault
	found map[string]*found
}

type found struct {
	n     int
	first []string
}

func (f *faults) add(kind, format string, args ...any) {
	of := f.found[kind]
	if of == nil {
		if f.found == nil {
			f.found = make(map[string]*found)
		}
		of = &found{}
		f.found[kind] = of
		f.kinds = append(f.kinds, kind)
	}
	of.n++
	const named = 3
	switch {
	case of.n <= named:
		of.first = append(of.first, fmt.Sprintf(format, args...))
	case of.n == named+1:
		of.first = append(of.first, "…")
	}
}

// err names the first few faults of each kind, and how many there are; it is nil
// where there is none.
func (f *faults) err() error {
	if len(f.kinds) == 0 {
		return nil
	}
	var all []string
	for _, kind := range f.kinds {
		of := f.found[kind]
		all = append(all, fmt.Sprintf("%s (%d): %s", kind, of.n, strings.Join(of.first, ", ")))
	}
	return errors.New(strings.Join(all, "; "))
}
