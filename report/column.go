package report

import (
	"fmt"
	"strconv"

	"gorgonorm/runlog"
)

// column is one measure of a run or of a variant.
type column[T any] struct {
	Head string
	Cell func(T) string
	wide bool // for the page alone, a terminal being narrow
}

// runColumns tell of a run, its name first.
var runColumns = []column[row]{
	{Head: "run", Cell: func(r row) string { return r.Name }},
	{Head: "parameters", Cell: func(r row) string { return thousands(r.Summary.Parameters) }},
	{Head: "init val", Cell: func(r row) string { return loss(r.Summary.InitVal) }},
	{Head: "first loss", Cell: func(r row) string { return loss(r.Summary.FirstLoss) }},
	{Head: "last loss", Cell: func(r row) string { return loss(r.Summary.LastLoss) }},
	{Head: "best val", Cell: func(r row) string { return loss(r.Summary.BestVal) }},
	{Head: "last val", Cell: func(r row) string { return loss(r.Summary.LastVal) }},
	{Head: "max grad norm", Cell: func(r row) string { return significant(r.Summary.MaxGradNorm) }},
	{Head: "spikes, %", Cell: func(r row) string { return pair(r.Summary.LossSpikes, r.Summary.GradSpikes) }},
	{Head: "diverged", Cell: func(r row) string { return diverged(r.Summary) }},
}

// variantColumns tell of a variant, its name first.
var variantColumns = []column[variant]{
	{Head: "variant", Cell: func(v variant) string { return v.Name }},
	{Head: "best loss", Cell: func(v variant) string { return plusMinus(v.Best, v.BestStd) }},
	{Head: "at lr", Cell: func(v variant) string { return rate(v.BestLR) }},
	{Head: "place", Cell: func(v variant) string { return place(v.Place) }},
	{Head: "LR sens.", Cell: func(v variant) string { return plusMinus(v.Sensitivity, v.SensitivityStd) }},
	{Head: "place", Cell: func(v variant) string { return place(v.SensitivityPlace) }},
	{Head: "top lr", Cell: func(v variant) string { return rate(v.LargestLR) }},
	{Head: "diverged", Cell: func(v variant) string { return fmt.Sprintf("%d of %d", v.Diverged, len(v.Rows)) }},
	{Head: "grad norm", Cell: func(v variant) string { return significant(v.MedianGradNorm) }},
	{Head: "its max", Cell: func(v variant) string { return significant(v.MaxGradNorm) }, wide: true},
	{Head: "its CV", Cell: func(v variant) string { return significant(v.GradNormCV) }, wide: true},
	{Head: "spikes, %", Cell: func(v variant) string { return pair(v.LossSpikes, v.GradSpikes) }},
	{Head: "gap", Cell: func(v variant) string { return loss(v.Gap) }},
}

// place is a rank, or the range in which it lies.
func place(p runlog.Place) string {
	switch {
	case p == runlog.Place{}:
		return missing
	case p.Best == p.Worst:
		return strconv.Itoa(p.Best)
	default:
		return fmt.Sprintf("%d–%d", p.Best, p.Worst)
	}
}

// table is what terminal and page set out in lines and columns.
type table struct {
	Head []string
	Body [][]string
}

func tabulate[T any](columns []column[T], wide bool, items []T) table {
	t := table{Body: make([][]string, len(items))}
	for _, c := range columns {
		if c.wide && !wide {
			continue
		}
		t.Head = append(t.Head, c.Head)
		for i, item := range items {
			t.Body[i] = append(t.Body[i], c.Cell(item))
		}
	}
	return t
}
