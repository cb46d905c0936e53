package main

import (
	"strings"

	"gorgonorm/models/transformer"
)

// reasons are what is said of one tensor, in words that can stand before several.
var reasons = map[string]string{"is missing": "not in the file", "is unexpected": "not in the model"}

// byReason lists tensors that were not loaded, those with the same reason in a line.
func byReason(left transformer.Faults) (lines []string) {
	names := make(map[string][]string)
	var order []string
	for _, f := range left {
		if names[f.Reason] == nil {
			order = append(order, f.Reason)
		}
		names[f.Reason] = append(names[f.Reason], strings.TrimSuffix(f.String(), " "+f.Reason))
	}
	for _, reason := range order {
		what, ok := reasons[reason]
		if !ok {
			what = strings.TrimPrefix(strings.TrimPrefix(reason, "has "), "is ")
		}
		lines = append(lines, what+": "+strings.Join(names[reason], ", "))
	}
	return lines
}
