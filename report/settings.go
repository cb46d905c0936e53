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

	"gorgonorm/report/results"
	"gorgonorm/runlog"
)

// setting is a field of runlog.Config in words: one value for each run, or a single one
// if all runs agree.
type setting struct {
	Name   string
	Values []string
}

// compare separates the settings that all runs share from those in which they differ. It
// leaves out the norm, because every run is named by it.
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

// inWords formats the value of a setting without what only fills the page: the folders
// of a path, most of a hash, the characters of the vocabulary.
func inWords(name string, v reflect.Value) string {
	s := fmt.Sprint(v.Interface())
	if v.Kind() == reflect.Float64 {
		s = strconv.FormatFloat(v.Float(), 'g', 10, 64) // without the digits of rounding
	}
	switch {
	case name == "order" && s == "":
		return "random"
	case name == "text_share" && s == "0":
		return "1"
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

// dataName returns the name of a text without its folders.
func dataName(path string) string {
	if path == "" {
		return missing
	}
	return filepath.Base(path)
}

// weightsName returns the name of a file and of its folder, because the files of all
// runs are called model.safetensors.
func weightsName(path string) string {
	return filepath.Join(filepath.Base(filepath.Dir(path)), filepath.Base(path))
}

// settings holds the settings of all runs.
type settings struct {
	Shared []setting // by all runs
	Along  []setting // the axes of a grid, each with its values
	Differ []setting // others in which the runs differ
}

// axes names the settings in which the runs of a grid differ by design.
var axes = []string{"placement", "qk norm", "lr", "min lr", "seed", "order", "text share", "norm noise"}

func settingsOf(r results.Results) settings {
	shared, differ := compare(r.Runs)
	if !r.Grid {
		return settings{Shared: shared, Differ: differ}
	}
	s := settings{Shared: shared}
	norm := setting{Name: "norm"}
	for _, r := range r.Runs {
		norm.Values = append(norm.Values, results.KindOf(r).Norm)
	}
	for _, d := range append([]setting{norm}, differ...) {
		if d.Name == "norm" || slices.Contains(axes, d.Name) {
			s.Along = append(s.Along, setting{d.Name, distinct(d.Values)})
		} else {
			s.Differ = append(s.Differ, d)
		}
	}
	return s
}

// settingNames lists the names of settings.
func settingNames(settings []setting) string {
	var names []string
	for _, s := range settings {
		names = append(names, s.Name)
	}
	return list(names)
}

// distinct returns the values without repetition: numbers by size, others in the order of
// their first appearance.
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

// names returns a name for each run: that of its variant, and for several runs of one
// variant also the learning rate and the seed if they differ, up to two other settings
// that distinguish the runs, or else a number.
func names(runs []runlog.Run) []string {
	kinds := make([]results.Kind, len(runs))
	byKind := map[results.Kind][]int{}
	for i, r := range runs {
		kinds[i] = results.KindOf(r)
		byKind[kinds[i]] = append(byKind[kinds[i]], i)
	}
	names := make([]string, len(runs))
	for i, k := range kinds {
		names[i] = k.Name(kinds)
	}
	for _, same := range byKind {
		if len(same) > 1 {
			distinguish(names, runs, same)
		}
	}
	return names
}

// distinguish completes the names of the runs with the given indices, all of one variant.
func distinguish(names []string, runs []runlog.Run, same []int) {
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

// lengthened returns the names of runs with settings added, and reports whether these
// names are unique.
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
