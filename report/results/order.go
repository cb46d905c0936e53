package results

import (
	"bytes"
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"gorgonorm/runlog"
)

// Kind is what distinguishes variants of the model.
type Kind struct {
	Norm      string
	Placement string // of the norms in a block
	QK        bool   // whether queries and keys are normalized
	Variation string // names of the settings that runlog.Config.Variations lists
}

// KindOf returns the kind of a run.
func KindOf(r runlog.Run) Kind {
	k := kindOf(r.Config)
	k.Norm = cmp.Or(r.Summary.Norm, k.Norm)
	return k
}

func kindOf(c runlog.Config) Kind {
	return Kind{
		Norm:      cmp.Or(c.Norm, "unnamed"),
		Placement: cmp.Or(c.Placement, "pre"),
		QK:        c.QKNorm,
		Variation: strings.Join(c.Variations(), " "),
	}
}

// plain reports whether the norms are placed as in GPT-2, and nowhere else, and nothing else
// varies.
func (k Kind) plain() bool { return k.Placement == "pre" && !k.QK && k.Variation == "" }

// Name returns the norm's name, with the placement, qk-norm and the variations if not all
// kinds share them.
func (k Kind) Name(all []Kind) string {
	placed, qk, varied := false, false, false
	for _, o := range all {
		placed = placed || o.Placement != k.Placement
		qk = qk || o.QK != k.QK
		varied = varied || o.Variation != k.Variation
	}
	s := k.Norm
	if placed {
		s += " " + k.Placement
	}
	if qk && k.QK {
		s += " qk"
	}
	if varied && k.Variation != "" {
		s += " " + k.Variation
	}
	return s
}

var placements = []string{"pre", "post", "peri", "scaled", "open"}

// CompareKinds orders kinds by norm, placement, qk-norm and variations.
func CompareKinds(a, b Kind) int {
	return cmp.Or(
		compareKnown(runlog.Norms, a.Norm, b.Norm),
		compareKnown(placements, a.Placement, b.Placement),
		compareBools(a.QK, b.QK),
		compareKnown(append([]string{""}, runlog.Orders...), a.Variation, b.Variation),
	)
}

// compareKnown orders known words as listed, and others by name after them.
func compareKnown(known []string, a, b string) int {
	place := func(s string) int {
		if i := slices.Index(known, s); i >= 0 {
			return i
		}
		return len(known)
	}
	return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b))
}

// sorted returns the runs in an order that does not depend on the one they came in:
// by kind, learning rate, seed, the other settings and finally everything measured
// except the speed, which varies.
func sorted(runs []runlog.Run) []runlog.Run {
	out := slices.Clone(runs)
	slices.SortStableFunc(out, compareRuns)
	return out
}

func compareRuns(a, b runlog.Run) int {
	if c := cmp.Or(
		CompareKinds(KindOf(a), KindOf(b)),
		cmp.Compare(a.Config.LR, b.Config.LR),
		cmp.Compare(a.Config.Seed, b.Config.Seed),
		compareConfigs(a.Config, b.Config),
	); c != 0 {
		return c
	}
	return bytes.Compare(measured(a), measured(b))
}

// compareConfigs orders configs by their fields, in the order of the struct.
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

// compareBools orders false before true.
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

// measured encodes everything in a run that its config determines.
func measured(r runlog.Run) []byte {
	b, _ := json.Marshal([]any{r.Summary, r.Steps, r.Probes}) // a runlog.Float always marshals
	return b
}
