package report

import (
	"cmp"
	"fmt"

	"gorgonorm/train"
)

// names gives each run its norm's name. Runs that share a norm get the one or
// two settings that tell them apart, or else a number.
func names(runs []train.Run) []string {
	byNorm := map[string][]int{}
	out := make([]string, len(runs))
	for i, r := range runs {
		out[i] = cmp.Or(r.Summary.Norm, r.Config.Norm, "unnamed")
		byNorm[out[i]] = append(byNorm[out[i]], i)
	}
	for _, same := range byNorm {
		if len(same) > 1 {
			tellApart(out, runs, same)
		}
	}
	return out
}

// tellApart completes the names of the given runs, all of one norm.
func tellApart(names []string, runs []train.Run, same []int) {
	group := make([]train.Run, len(same))
	for k, i := range same {
		group[k] = runs[i]
	}
	_, differ := compare(group)
	long := make([]string, len(same))
	seen := map[string]bool{}
	for k, i := range same {
		long[k] = names[i]
		for _, s := range differ {
			long[k] += fmt.Sprintf(", %s %s", s.Name, s.Values[k])
		}
		seen[long[k]] = true
	}
	numbered := len(differ) > 2 || len(seen) < len(same)
	for k, i := range same {
		if numbered {
			long[k] = fmt.Sprintf("%s (%d)", names[i], k+1)
		}
		names[i] = long[k]
	}
}
