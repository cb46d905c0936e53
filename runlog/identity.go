package runlog

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// idForm matches the results of ID.
var idForm = regexp.MustCompile(`^\w+-\w+(-qk)?-lr[-+.\w]+-seed\d+$`)

// ID returns the name of a run in its grid, such as "layer-pre-lr0.001-seed1".
func (c Config) ID() string {
	qk := ""
	if c.QKNorm {
		qk = "-qk"
	}
	variation := ""
	for _, v := range c.Variations() {
		variation += "-" + v
	}
	return fmt.Sprintf("%s-%s%s-lr%g%s-seed%d", c.Norm, c.Placement, qk, c.LR, variation, c.Seed)
}

// Variations returns names of the settings on a grid's axes that most grids do not have:
// the order of the windows, the share of the text and the noise after norms.
func (c Config) Variations() (names []string) {
	if c.Order != "" {
		names = append(names, c.Order)
	}
	if c.TextShare != 0 {
		names = append(names, fmt.Sprintf("text%g", c.TextShare))
	}
	if c.NormNoise != 0 {
		names = append(names, fmt.Sprintf("noise%g", c.NormNoise))
	}
	return names
}

// anywhere returns the config without the paths of the text and the initial weights, which
// differ between machines.
func (c Config) anywhere() Config {
	c.Init, c.Data = "", ""
	return c
}

// base returns the config without the settings that differ within a grid or between
// machines.
func (c Config) base() Config {
	c = c.anywhere()
	c.Norm, c.Placement, c.QKNorm, c.LR, c.MinLR, c.Seed = "", "", false, 0, 0, 0
	c.Order, c.TextShare, c.NormNoise = "", 0, 0
	return c
}

// sameGrid returns an error for the first setting that puts two configs in different grids.
func sameGrid(got, want Config) error { return equal(got.base(), want.base()) }

// SameRun returns an error for the first setting that makes the runs of two configs differ.
func SameRun(got, want Config) error { return equal(got.anywhere(), want.anywhere()) }

// equal returns an error for the first setting in which two configs differ.
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
			flag := strings.ReplaceAll(name, "_", "-")
			return fmt.Errorf("%s is %s, want %s", flag, value(a.Field(i)), value(b.Field(i)))
		}
	}
	return nil
}
