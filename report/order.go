package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"reflect"
	"slices"

	"gorgonorm/runlog"
)

// sorted puts the runs into the one order in which they are told of, whatever
// the order they came in: by kind, learning rate, seed, the other settings and at
// last by what was measured, but for the speed, which differs from time to time.
func sorted(runs []runlog.Run) []runlog.Run {
	out := slices.Clone(runs)
	slices.SortStableFunc(out, compareRuns)
	return out
}

func compareRuns(a, b runlog.Run) int {
	if c := cmp.Or(
		compareKinds(kindOf(a), kindOf(b)),
		cmp.Compare(a.Config.LR, b.Config.LR),
		cmp.Compare(a.Config.Seed, b.Config.Seed),
		compareConfigs(a.Config, b.Config),
	); c != 0 {
		return c
	}
	return bytes.Compare(measured(a), measured(b))
}

// compareConfigs compares field by field, in the order of the struct.
func compareConfigs(a, b runlog.Config) int {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		if c := compareValues(va.Field(i), vb.Field(i)); c != 0 {
			return c
		}
	}
	return 0
}

func compareValues(x, y reflect.Value) int {
	switch {
	case x.CanInt():
		return cmp.Compare(x.Int(), y.Int())
	case x.CanUint():
		return cmp.Compare(x.Uint(), y.Uint())
	case x.CanFloat():
		return cmp.Compare(x.Float(), y.Float())
	case x.Kind() == reflect.Bool:
		return compareBools(x.Bool(), y.Bool())
	default:
		return cmp.Compare(x.String(), y.String())
	}
}

// compareBools puts false first.
func compareBools(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	default:
		return 1
	}
}

// measured is all of a run that its config decides.
func measured(r runlog.Run) []byte {
	b, _ := json.Marshal([]any{r.Summary, r.Steps, r.Probes}) // a runlog.Float always marshals
	return b
}
