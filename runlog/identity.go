package runlog

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// idForm is what an ID looks like.
var idForm = regexp.MustCompile(`^\w+-\w+(-qk)?-lr[-+.\w]+-seed\d+$`)

// ID names a run by its place in a grid: "layer-pre-lr0.001-seed1".
func (c Config) ID() string {
	qk := ""
	if c.QKNorm {
		qk = "-qk"
	}
	return fmt.Sprintf("%s-%s%s-lr%g-seed%d", c.Norm, c.Placement, qk, c.LR, c.Seed)
}

// anywhere is the config without the paths of the text and the first weights, which
// differ between machines.
func (c Config) anywhere() Config {
	c.Init, c.Data = "", ""
	return c
}

// base is the config without what differs within a grid or between machines.
func (c Config) base() Config {
	c = c.anywhere()
	c.Norm, c.Placement, c.QKNorm, c.LR, c.MinLR, c.Seed = "", "", false, 0, 0, 0
	return c
}

// sameGrid reports the first setting in which two configs are of different grids.
func sameGrid(got, want Config) error { return equal(got.base(), want.base()) }

// sameRun reports the first setting in which two configs make different runs.
func sameRun(got, want Config) error { return equal(got.anywhere(), want.anywhere()) }

// equal reports the first setting in which two configs differ.
func equal(got, want Config) error {
	a, b := reflect.ValueOf(got), reflect.ValueOf(want)
	for i := range a.NumField() {
		if a.Field(i).Interface() != b.Field(i).Interface() {
			name, _, optional := strings.Cut(a.Type().Field(i).Tag.Get("json"), ",")
			value := func(v reflect.Value) string {
				if optional && v.IsZero() {
					return "not set"
				}
				return fmt.Sprint(v)
			}
			return fmt.Errorf("%s is %s, want %s", strings.ReplaceAll(name, "_", "-"), value(a.Field(i)), value(b.Field(i)))
		}
	}
	return nil
}
