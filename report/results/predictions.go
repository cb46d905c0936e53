package results

import (
	"math"
	"slices"

	"gorgonorm/runlog"
)

// Outcome is how a prediction compares with the runs.
type Outcome int

const (
	CannotBeJudged Outcome = iota
	AsPredicted
	NotAsPredicted
	NoDifference
)

// Judged reports whether the runs could judge the prediction.
func (o Outcome) Judged() bool { return o != CannotBeJudged }

func judged(asPredicted bool) Outcome {
	if asPredicted {
		return AsPredicted
	}
	return NotAsPredicted
}

// Predictions holds what the runs show about predictions of the literature.
type Predictions struct {
	Growth   Growth
	PreNorm  PreNormStart
	PostNorm PostNormStart
	QKNorm   QKNorm
	LayerRMS LayerRMS
	BatchGap BatchGap
}

// Predictions checks the predictions on the runs that were not interrupted. They are
// about training from random weights: if runs start from loaded ones, no prediction
// can be judged.
func (r Results) Predictions() Predictions {
	if r.Loaded() {
		return Predictions{}
	}
	return Predictions{
		growth(r.Variants),
		preNormStart(r.Variants),
		postNormStart(r.Variants),
		qkNorm(r.Variants),
		layerRMS(r.Variants),
		batchGap(r.Variants),
	}
}

// Pair is two variants that a prediction compares.
type Pair struct {
	A, B  Variant
	Seeds Overlap
}

// Overlap is the relation between the seeds of two variants.
type Overlap int

const (
	OneSeed     Overlap = iota // a variant has fewer than two seeds, too few to compare
	Overlapping                // neither variant has all seeds below the other's
	Apart
)

func overlap(a, b []runlog.Float) Overlap {
	switch {
	case len(a) < 2 || len(b) < 2:
		return OneSeed
	case runlog.Below(a, b) || runlog.Below(b, a):
		return Apart
	default:
		return Overlapping
	}
}

// QKNorm is the check that qk-norm lowers the sensitivity to the learning rate.
type QKNorm struct {
	Outcome
	Pairs       []Pair // variants without and with qk-norm, over the same learning rates
	Several     int    // pairs with two seeds or more in both variants
	Overlapping int    // of those, pairs with overlapping seeds
	Apart       int    // of those, pairs with the seeds apart
	Lower       int    // of the pairs apart, those lower with qk-norm
	Seeds       int    // the fewest of a variant in a pair with several
}

func qkNorm(vs []Variant) (q QKNorm) {
	var samples [][]runlog.Float
	for _, without := range vs {
		qk := without.Kind
		qk.QK = true
		with, ok := find(vs, qk)
		if without.QK || !ok || !slices.Equal(with.Rates, without.Rates) ||
			!with.Sensitivity.Finite() || !without.Sensitivity.Finite() {
			continue
		}
		p := Pair{without, with, overlap(without.Sensitivities, with.Sensitivities)}
		q.Pairs = append(q.Pairs, p)
		if p.Seeds == OneSeed {
			continue
		}
		q.Several++
		samples = append(samples, with.Sensitivities, without.Sensitivities)
		if p.Seeds == Overlapping {
			q.Overlapping++
			continue
		}
		q.Apart++
		if runlog.Below(with.Sensitivities, without.Sensitivities) {
			q.Lower++
		}
	}
	q.Seeds = fewest(samples...)
	switch {
	case q.Several == 0:
	case q.Apart == 0:
		q.Outcome = NoDifference
	default:
		q.Outcome = judged(q.Lower == q.Apart)
	}
	return q
}

// LayerRMS is the check that LayerNorm and RMSNorm differ no more than their seeds.
type LayerRMS struct {
	Outcome
	Pairs       []Pair // layer and rms, equal in placement and qk-norm, with two seeds or more each
	Overlapping int    // pairs with overlapping seeds
	Apart       int    // pairs with the seeds apart
	Seeds       int    // the fewest of a variant
}

func layerRMS(vs []Variant) (l LayerRMS) {
	var samples [][]runlog.Float
	for _, layer := range vs {
		kind := layer.Kind
		kind.Norm = "rms"
		rms, ok := find(vs, kind)
		if layer.Norm != "layer" || !ok || len(finite(layer.Lowest)) == 0 || len(finite(rms.Lowest)) == 0 {
			continue
		}
		p := Pair{layer, rms, overlap(layer.Lowest, rms.Lowest)}
		switch p.Seeds {
		case OneSeed:
			continue
		case Overlapping:
			l.Overlapping++
		case Apart:
			l.Apart++
		}
		l.Pairs = append(l.Pairs, p)
		samples = append(samples, layer.Lowest, rms.Lowest)
	}
	l.Seeds = fewest(samples...)
	if len(l.Pairs) > 0 {
		l.Outcome = judged(l.Apart == 0)
	}
	return l
}

// ByNorm is a measure under several norms.
type ByNorm []Measured

// Measured is a measure under one norm.
type Measured struct {
	Norm  string
	Value runlog.Float
}

// of returns the measure under a norm, NaN if there is none.
func (b ByNorm) of(norm string) runlog.Float {
	if i := slices.IndexFunc(b, func(m Measured) bool { return m.Norm == norm }); i >= 0 {
		return b[i].Value
	}
	return nan
}

// largest reports whether the measure is larger under the norm than under all others;
// known reports whether there is one under the norm and under others.
func (b ByNorm) largest(norm string) (is, known bool) {
	at := slices.IndexFunc(b, func(m Measured) bool { return m.Norm == norm })
	if at < 0 || len(b) < 2 {
		return false, false
	}
	for i, m := range b {
		if i != at && m.Value >= b[at].Value {
			return false, true
		}
	}
	return true, true
}

// LeastGap is the difference in nats between the losses in the two modes from which it
// counts as a gap. A smaller one shows in only one of the three printed decimals, and
// is below the difference between two seeds.
const LeastGap = 0.01

// BatchGap is the check that the loss in evaluation mode differs from that in training
// mode most under BatchNorm. All other norms compute the same in both, so their gap
// is 0.
type BatchGap struct {
	Outcome
	Gaps       ByNorm // of pre-norm without qk-norm
	EvalBetter bool   // whether BatchNorm's loss is lower in evaluation mode
}

func batchGap(vs []Variant) (g BatchGap) {
	var sizes ByNorm
	for _, v := range vs {
		if !v.plain() || !v.Gap.Finite() {
			continue
		}
		sizes = append(sizes, Measured{v.Norm, runlog.Float(math.Abs(float64(v.Gap)))})
		g.Gaps = append(g.Gaps, Measured{v.Norm, v.Gap})
	}
	if largest, known := sizes.largest("batch"); known {
		g.Outcome = judged(largest && sizes.of("batch") >= LeastGap)
	}
	g.EvalBetter = g.Gaps.of("batch") <= -LeastGap
	return g
}
