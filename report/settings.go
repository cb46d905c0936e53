package report

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"unicode/utf8"

	"gorgonorm/train"
)

// setting is one field of train.Config in words: a value for every run, or a
// single one where all runs agree.
type setting struct {
	Name   string
	Values []string
}

// compare parts the settings into those that all runs share and those in which
// they differ. The norm is left out: every run is called by it.
func compare(runs []train.Run) (shared, differ []setting) {
	t := reflect.TypeFor[train.Config]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
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
	case name == "data_sha256":
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
