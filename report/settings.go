package report

import (
	"cmp"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gorgonorm/runlog"
)

// setting is one field of runlog.Config in words: a value for every run, or a
// single one where all runs agree.
type setting struct {
	Name   string
	Values []string
}

// compare parts the settings into those that all runs share and those in which
// they differ. The norm is left out: every run is called by it.
func compare(runs []runlog.Run) (shared, differ []setting) {
	t := reflect.TypeFor[runlog.Config]()
	for i := range t.NumField() {
		name, _, optional := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		set := func(r runlog.Run) bool { return !reflect.ValueOf(r.Config).Field(i).IsZero() }
		if optional && !slices.ContainsFunc(runs, set) {
			continue
		}
		if name == "norm" {
			continue
		}
		s := setting{Name: strings.ReplaceAll(name, "_", " ")}
		same := true
		for _, r := range runs {
			v := inWords(name, reflect.ValueOf(r.Config).Field(i))
			s.Values = append(s.Values, v)
			same = same && v == s.Values[0]
		}
		if same {
			s.Values = s.Values[:1]
			shared = append(shared, s)
		} else {
			differ = append(differ, s)
		}
	}
	return shared, differ
}

// inWords leaves out what only fills the page: a path's folders, most of a
// hash, the vocabulary's characters.
func inWords(name string, v reflect.Value) string {
	s := fmt.Sprint(v.Interface())
	switch {
	case s == "":
		return missing
	case name == "data":
		return dataName(s)
	case name == "init":
		return weightsName(s)
	case name == "data_sha256", name == "init_sha256":
		return s[:min(12, len(s))]
	case name == "vocabulary":
		return fmt.Sprintf("%d characters", utf8.RuneCountInString(s))
	}
	return s
}

// dataName is a text's name without the folders of the machine it lay on.
func dataName(path string) string {
	if path == "" {
		return missing
	}
	return filepath.Base(path)
}

// axes are the settings in which the runs of a grid differ by design.
var axes = []string{"placement", "qk norm", "lr", "min lr", "seed"}

// settings are those that all rows share, the axes along which a grid's rows
// differ, each with its values, and the others in which they differ.
func (s summary) settings() (shared, along, differ []setting) {
	runs := make([]runlog.Run, len(s.Rows))
	for i, r := range s.Rows {
		runs[i] = r.Run
	}
	shared, differ = compare(runs)
	if !s.Grid {
		return shared, nil, differ
	}
	norm := setting{Name: "norm"}
	for _, r := range s.Rows {
		norm.Values = append(norm.Values, kindOf(r.Run).norm)
	}
	for _, d := range append([]setting{norm}, differ...) {
		if d.Name == "norm" || slices.Contains(axes, d.Name) {
			along = append(along, setting{d.Name, distinct(d.Values)})
		}
	}
	return shared, along, slices.DeleteFunc(differ, func(d setting) bool { return slices.Contains(axes, d.Name) })
}

// distinct are the values without repetition: numbers by size, others in the
// order of their first appearance.
func distinct(values []string) (out []string) {
	numbers := map[string]float64{}
	for _, v := range values {
		if f, err := strconv.ParseFloat(v, 64); err == nil {
			numbers[v] = f
		}
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	if len(numbers) == len(out) {
		slices.SortFunc(out, func(a, b string) int { return cmp.Compare(numbers[a], numbers[b]) })
	}
	return out
}
