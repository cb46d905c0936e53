package report

import (
	"fmt"
	"slices"

	"gorgonorm/runlog"
)

// names gives each run its variant's name. Runs of one variant get learning rate
// and seed where they differ, the one or two other settings that tell them apart,
// or else a number.
func names(runs []runlog.Run) []string {
	kinds := make([]kind, len(runs))
	byKind := map[kind][]int{}
	for i, r := range runs {
		kinds[i] = kindOf(r)
		byKind[kinds[i]] = append(byKind[kinds[i]], i)
	}
	out := make([]string, len(runs))
	for i, k := range kinds {
		out[i] = k.name(kinds)
	}
	for _, same := range byKind {
		if len(same) > 1 {
			tellApart(out, runs, same)
		}
	}
	return out
}

// tellApart completes the names of the given runs, all of one variant.
func tellApart(names []string, runs []runlog.Run, same []int) {
	group := make([]runlog.Run, len(same))
	for k, i := range same {
		group[k] = runs[i]
	}
	_, differ := compare(group)
	var cell, rest []setting
	for _, s := range differ {
		switch s.Name {
		case "lr":
			cell = slices.Insert(cell, 0, s)
		case "seed":
			cell = append(cell, s)
		case "min lr": // follows from the rate
		default:
			rest = append(rest, s)
		}
	}
	for _, settings := range [][]setting{cell, append(cell, rest...)} {
		long, unique := lengthened(names, same, settings)
		if unique && len(settings) <= len(cell)+2 {
			for k, i := range same {
				names[i] = long[k]
			}
			return
		}
	}
	for k, i := range same {
		names[i] = fmt.Sprintf("%s (%d)", names[i], k+1)
	}
}

// lengthened adds settings to the names of the same runs, and says whether that
// tells all of them apart.
func lengthened(names []string, same []int, settings []setting) (long []string, unique bool) {
	seen := map[string]bool{}
	for k, i := range same {
		name := names[i]
		for _, s := range settings {
			name += fmt.Sprintf(", %s %s", s.Name, s.Values[k])
		}
		long = append(long, name)
		seen[name] = true
	}
	return long, len(seen) == len(same)
}
