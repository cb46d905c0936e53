package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gorgonorm/runlog"
)

// ranked is a variant with the values, one a seed, that it is ranked by.
type ranked struct {
	name   string
	values []runlog.Float
	mean   float64 // +Inf where a value is missing
}

// ranking orders the variants by a measure, lower better, and says where their
// seeds overlap, so that no order is known. It is "" if no variant has a value.
func ranking(by string, vs []variant, values func(variant) []runlog.Float) string {
	var judged, single []ranked
	var without []string
	for _, v := range vs {
		r := ranked{v.Name, values(v), math.Inf(1)}
		if mean, _ := runlog.MeanStd(r.values); len(r.values) > 0 && mean.Finite() {
			r.mean = float64(mean)
		}
		switch {
		case len(finite(r.values)) == 0:
			without = append(without, strconv.Quote(v.Name))
		case len(r.values) == 1:
			single = append(single, r)
		default:
			judged = append(judged, r)
		}
	}
	if len(judged)+len(single) == 0 {
		return ""
	}
	s := by + ": "
	if len(judged) < 2 {
		s += inOrder(append(judged, single...))
		if len(single) > 0 && len(judged)+len(single) > 1 {
			s += "; one seed cannot tell whether that is a difference"
		}
	} else {
		s += byGroups(judged)
		for _, r := range single {
			without = append(without, strconv.Quote(r.name))
		}
	}
	if len(without) > 0 {
		s += "; no place for " + list(without)
	}
	return s + "."
}

// inOrder lists values, the lowest first.
func inOrder(rs []ranked) string {
	byMean(rs)
	var told []string
	for _, r := range rs {
		told = append(told, fmt.Sprintf("%q %s", r.name, loss(runlog.Float(r.mean))))
	}
	return strings.Join(told, ", ")
}

func byMean(rs []ranked) {
	slices.SortStableFunc(rs, func(a, b ranked) int { return cmp.Compare(a.mean, b.mean) })
}

// byGroups puts a "before" only between groups where each of the first is below
// each of the second in all seeds.
func byGroups(rs []ranked) string {
	byMean(rs)
	var groups []string
	from := 0
	for to := 1; to <= len(rs); to++ {
		if to == len(rs) || apart(rs[from:to], rs[to:]) {
			groups = append(groups, group(rs[from:to]))
			from = to
		}
	}
	return strings.Join(groups, " before ")
}

func apart(lower, higher []ranked) bool {
	for _, a := range lower {
		for _, b := range higher {
			if !runlog.Below(a.values, b.values) {
				return false
			}
		}
	}
	return true
}

// mostClauses is how many orders within a group are spelled out.
const mostClauses = 4

// group names variants that cannot be parted in two, and the orders among them
// that are known all the same.
func group(rs []ranked) string {
	var names, clauses []string
	for _, r := range rs {
		names = append(names, strconv.Quote(r.name))
	}
	for _, a := range rs {
		var above []string
		for _, b := range rs {
			if runlog.Below(a.values, b.values) {
				above = append(above, strconv.Quote(b.name))
			}
		}
		if len(above) > 0 {
			clauses = append(clauses, fmt.Sprintf("%q before %s", a.name, list(above)))
		}
	}
	s := list(names)
	switch {
	case len(rs) == 1:
		return s
	case len(clauses) == 0:
		return s + " (no difference between them: their seeds overlap)"
	case len(clauses) > mostClauses:
		return s + " (many of their seeds overlap; see the places)"
	default:
		return s + " (their seeds overlap, but for " + list(clauses) + ")"
	}
}
