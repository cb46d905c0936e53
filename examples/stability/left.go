package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// reasons are what sentences on tensors say, in words that can stand before several.
var reasons = map[string]string{"is missing": "not in the file", "is unexpected": "not in the model"}

// compressed are sentences on tensors, those with the same reason in one.
func compressed(sentences []string) (lines []string) {
	names := make(map[string][]string)
	var order []string
	for _, s := range sentences {
		name, reason, _ := strings.Cut(s, " ")
		if names[reason] == nil {
			order = append(order, reason)
		}
		names[reason] = append(names[reason], name)
	}
	for _, reason := range order {
		what, ok := reasons[reason]
		if !ok {
			what = strings.TrimPrefix(strings.TrimPrefix(reason, "has "), "is ")
		}
		lines = append(lines, what+": "+strings.Join(byBlock(names[reason]), ", "))
	}
	return lines
}

var blockNumber = regexp.MustCompile(`\bh\.(0|[1-9]\d{0,8})\.`)

// byBlock puts tensors' names together that differ in the block's number alone:
// transformer.h.{0..3}.ln_1.bias.
func byBlock(names []string) (out []string) {
	type parts struct{ before, after string } // of the number; all is before where there is none
	numbers := make(map[parts][]int)
	var order []parts
	for _, name := range names {
		p := parts{before: name}
		var n []int
		if at := blockNumber.FindStringSubmatchIndex(name); at != nil {
			p = parts{name[:at[2]], name[at[3]:]}
			number, _ := strconv.Atoi(name[at[2]:at[3]]) // of digits
			n = []int{number}
		}
		if _, ok := numbers[p]; !ok {
			order = append(order, p)
		}
		numbers[p] = append(numbers[p], n...)
	}
	for _, p := range order {
		out = append(out, p.before+braced(numbers[p])+p.after)
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
