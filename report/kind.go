package report

import (
	"cmp"
	"slices"

	"gorgonorm/runlog"
)

// kind is what makes a variant of the model: its norm, where it stands, and
// whether queries and keys are normed too.
type kind struct {
	norm, placement string
	qk              bool
}

func kindOf(r runlog.Run) kind {
	return kind{
		norm:      cmp.Or(r.Summary.Norm, r.Config.Norm, "unnamed"),
		placement: cmp.Or(r.Config.Placement, "pre"),
		qk:        r.Config.QKNorm,
	}
}

// plain says that the norms stand where GPT-2 has them, and nowhere else.
func (k kind) plain() bool { return k.placement == "pre" && !k.qk }

// where is the kind without its norm.
func (k kind) where() kind { return kind{placement: k.placement, qk: k.qk} }

var placements = []string{"pre", "post", "peri"}

func compareKinds(a, b kind) int {
	return cmp.Or(
		compareKnown(runlog.Norms, a.norm, b.norm),
		compareKnown(placements, a.placement, b.placement),
		compareBools(a.qk, b.qk),
	)
}

// compareKnown puts known words into their order, and others by name after them.
func compareKnown(known []string, a, b string) int {
	place := func(s string) int {
		if i := slices.Index(known, s); i >= 0 {
			return i
		}
		return len(known)
	}
	return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b))
}

// name is the norm's, and placement and qk-norm where not all runs share them.
func (k kind) name(all []kind) string {
	placed, qk := false, false
	for _, o := range all {
		placed = placed || o.placement != k.placement
		qk = qk || o.qk != k.qk
	}
	s := k.norm
	if placed {
		s += " " + k.placement
	}
	if qk && k.qk {
		s += " qk"
	}
	return s
}
