package report

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"gorgonorm/runlog"
)

// loaded says from which weights runs started that did not start from random ones;
// "" where none did.
func loaded(rows []row) string {
	var from []string
	for _, r := range rows {
		if r.Config.InitSHA256 != "" {
			from = append(from, strconv.Quote(weightsName(r.Config.Init)))
		}
	}
	return list(distinct(from))
}

// weightsName is a file's name and that of its folder, which says more: all runs' are
// model.safetensors.
func weightsName(path string) string {
	return filepath.Join(filepath.Base(filepath.Dir(path)), filepath.Base(path))
}

// loadedNotes say where runs started that did from loaded weights, and which of them
// did not get below that.
func loadedNotes(s summary) []string {
	from := loaded(s.Rows)
	if from == "" {
		return nil
	}
	var starts, higher []string
	for _, v := range s.Variants {
		var inits []runlog.Float
		above := 0
		for _, r := range v.Rows {
			inits = append(inits, r.Summary.InitVal)
			if !(final(r) < r.Summary.InitVal) {
				above++
			}
		}
		if len(inits) > 0 {
			lo, hi := extremes(inits)
			starts = append(starts, fmt.Sprintf("%q %s", v.Name, fromTo(loss(lo), loss(hi))))
		}
		if above > 0 {
			higher = append(higher, fmt.Sprintf("%q %d of %d", v.Name, above, len(v.Rows)))
		}
	}
	if len(starts) == 0 {
		return nil
	}
	told := fmt.Sprintf("The runs start from loaded weights, %s. Validation loss before the first step: %s.", from, strings.Join(starts, ", "))
	if len(higher) > 0 {
		told += fmt.Sprintf(" Runs that did not end below it: %s.", strings.Join(higher, ", "))
	}
	return []string{told}
}
