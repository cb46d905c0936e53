package transformer

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Fault is what is wrong with a tensor of a file or a model, or with the same one of
// several blocks.
type Fault struct {
	Name   string // transformer.h.{0..3}.ln_1.bias
	Reason string // such as "is missing"
}

// String is a sentence. A name from a file may be anything, and is quoted where it is no
// plain word.
func (f Fault) String() string { return plain(f.Name) + " " + f.Reason }

func plain(name string) string {
	if q := strconv.Quote(name); q != `"`+name+`"` || name == "" || strings.ContainsAny(name, " ;") {
		return q
	}
	return name
}

// Faults are several.
type Faults []Fault

// String has all of them, or the first ones of very many.
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

// blockNumber is the first number among the words of a name: that of its block, in a
// model of any make.
var blockNumber = regexp.MustCompile(`(?:^|\.)(0|[1-9]\d{0,8})\.`)

// byBlock puts faults together that differ in the number of the block alone.
func byBlock(faults Faults) (out Faults) {
	numbers := make(map[Fault][]int)
	var order []Fault
	for _, f := range faults {
		var n []int
		if at := blockNumber.FindStringSubmatchIndex(f.Name); at != nil {
			number, _ := strconv.Atoi(f.Name[at[2]:at[3]]) // of digits
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

// braced writes numbers as shells have them: 3, {0..3} or {0,2,5..7}.
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
