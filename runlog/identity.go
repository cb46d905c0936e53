package train

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"gorgonorm/models/transformer"
)

// Grid is a set of runs: one for every combination of its axes, with all other
// settings those of Base. The lowest learning rate of a run is a tenth of its
// highest.
type Grid struct {
	Base       Config
	Norms      []string
	Placements []transformer.Placement
	QKNorms    []bool
	LRs        []float64
	Seeds      int // how many, from Base.Seed on
}

// Configs are the runs' settings, the whole grid of one seed before the next, and
// all kinds of model at one learning rate before the next.
func (g Grid) Configs() (cs []Config) {
	for i := range g.Seeds {
		for _, lr := range g.LRs {
			for _, placement := range g.Placements {
				for _, qk := range g.QKNorms {
					for _, norm := range g.Norms {
						c := g.Base
						c.Norm, c.Placement, c.QKNorm = norm, placement, qk
						c.LR, c.MinLR, c.Seed = lr, lr/10, g.Base.Seed+uint64(i)
						cs = append(cs, c)
					}
				}
			}
		}
	}
	return cs
}

// Shard is the i-th of n shares of the runs, i from 1 to n: every n-th of them.
func Shard(cs []Config, i, n int) (share []Config) {
	for at, c := range cs {
		if n > 0 && at%n == i-1 {
			share = append(share, c)
		}
	}
	return share
}

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

// SameGrid says whether runs of two configs can stand in one grid; if not, the
// error names the first setting in which they differ.
func SameGrid(got, want Config) error { return equal(got.base(), want.base()) }

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
