package transformer

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Fault is a problem with one tensor of a file or a model, or with the same tensor of several
// blocks.
type Fault struct {
	Name   string // transformer.h.{0..3}.ln_1.bias
	Reason string // such as "is missing"
}

// String returns the fault as a sentence. Names in a file are arbitrary; a name that is not a
// plain word is quoted.
func (f Fault) String() string { return plain(f.Name) + " " + f.Reason }

func plain(name string) string {
	if q := strconv.Quote(name); q != `"`+name+`"` || name == "" || strings.ContainsAny(name, " ;") {
		return q
	}
	return name
}

// Faults is a list of faults.
type Faults []Fault

// String joins the faults' sentences; it cuts a list of more than 100 off.
func (f Faults) String() string { return strings.Join(f.sentences(), "; ") }

func (f Faults) sentences() (s []string) {
	const most = 100
	for _, fault := range f[:min(most, len(f))] {
		s = append(s, fault.String())
	}
	if len(f) > most {
		s = append(s, fmt.Sprintf("and so on, %d in all", len(f)))
	}
	return s
}

// blockNumber matches the first number in a dotted name, which in most naming schemes is the
// number of the block.
var blockNumber = regexp.MustCompile(`(?:^|\.)(0|[1-9]\d{0,8})\.`)

// byBlock merges faults that differ only in the number of the block.
func byBlock(faults Faults) (out Faults) {
	numbers := make(map[Fault][]int)
	var order []Fault
	for _, f := range faults {
		var n []int
		if at := blockNumber.FindStringSubmatchIndex(f.Name); at != nil {
			number, _ := strconv.Atoi(f.Name[at[2]:at[3]]) // only digits match
			n = []int{number}
			f.Name = f.Name[:at[2]] + "\x00" + f.Name[at[3]:]
		}
		if _, ok := numbers[f]; !ok {
			order = append(order, f)
		}
		numbers[f] = append(numbers[f], n...)
	}
	for _, f := range order {
		out = append(out, Fault{strings.Replace(f.Name, "\x00", braced(numbers[f]), 1), f.Reason})
	}
	return out
}

// braced formats numbers like a shell's brace expansion: 3, {0..3} or {0,2,5..7}.
func braced(numbers []int) string {
	slices.Sort(numbers)
	var parts []string
	for first := 0; first < len(numbers); {
		last := first
		for last+1 < len(numbers) && numbers[last+1] == numbers[last]+1 {
			last++
		}
		part := fmt.Sprint(numbers[first])
		if last > first {
			part += fmt.Sprintf("..%d", numbers[last])
		}
		parts, first = append(parts, part), last+1
	}
	if len(numbers) < 2 {
		return strings.Join(parts, "")
	}
	return "{" + strings.Join(parts, ",") + "}"
}
