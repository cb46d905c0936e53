package claims

import (
	"testing"

	"gorgonorm/runlog"
	"gorgonorm/train"
)

func TestBatchesRule(t *testing.T) {
	t.Parallel()
	// data has BatchNorm's and LayerNorm's gaps, and BatchNorm's with other statistics.
	data := func(batch, layer, spread, precise, byDomain float64) batchesData {
		norm := func(name string, gap, spread float64) batchesNorm {
			return batchesNorm{Norm: name, Mixed: batchesLosses{Running: five(2, 0)},
				OneDomain: batchesLosses{Running: five(2+gap, spread)}}
		}
		b := norm("batch", batch, spread)
		b.OneDomain.Precise, b.OneDomain.ByDomain = five(2+precise, .01), five(2+byDomain, .01)
		return batchesData{[]batchesNorm{b, norm("layer", layer, 0), norm("rms", layer, 0)}}
	}
	unmeasured := data(.5, .1, .01, 0, 0)
	unmeasured.Norms[0].OneDomain.ByDomain = nil
	few := data(.5, .1, .01, .1, .1)
	for i := range few.Norms {
		for _, l := range []*batchesLosses{&few.Norms[i].Mixed, &few.Norms[i].OneDomain} {
			l.Running = l.Running[:4]
		}
	}
	few.Norms[0].OneDomain.Precise, few.Norms[0].OneDomain.ByDomain = five(2.1, .01)[:4], five(2.1, .01)[:4]
	check(t, []rule{
		{"as it is said", judgeBatches(data(.5, .1, .01, .1, .1)), []Verdict{Supported, Supported}},
		{"all norms alike", judgeBatches(data(.1, .1, 0, .1, .1)), []Verdict{Refuted, Refuted}},
		{"LayerNorm suffers more", judgeBatches(data(.1, .3, .01, .1, 0)), []Verdict{Refuted, Depends}},
		{"seeds that disagree", judgeBatches(data(.1, .1, .05, .05, .1)), []Verdict{Undecided, Undecided}},
		{"no gap", judgeBatches(data(0, -.1, .01, 0, 0)), []Verdict{Supported, Undecided}},
		{"not measured", judgeBatches(unmeasured), []Verdict{Supported, Undecided}},
		{"four seeds", judgeBatches(few), []Verdict{Undecided, Supported}},
	})
}

func TestCurriculumRule(t *testing.T) {
	t.Parallel()
	// data has the differences of the orders under LayerNorm, and what BatchNorm's are beyond.
	data := func(beyond, spread float64, differences ...float64) curriculumData {
		d := curriculumData{Domains: train.DomainNames}
		for _, norm := range []string{"batch", "layer"} {
			n := curriculumNorm{Norm: norm, Random: curriculumLosses{All: five(2, 0)}}
			for i, order := range runlog.Orders {
				v := 2 + differences[i]
				if norm == "batch" {
					v += beyond
				}
				n.Orders = append(n.Orders, curriculumOrder{order, curriculumLosses{All: five(v, spread)}})
			}
			d.Norms = append(d.Norms, n)
		}
		return d
	}
	wide := data(0, .001, .1, .1, .1, .1)
	for i := range wide.Norms[0].Orders {
		wide.Norms[0].Orders[i].All = five(2.1, .03)
	}
	check(t, []rule{
		{"all help", judgeCurriculum(data(0, .001, -.1, -.1, -.1, -.1)), []Verdict{Supported, Supported, Refuted}},
		{"none helps, BatchNorm's least", judgeCurriculum(data(.2, .001, .1, 0, .1, 0)),
			[]Verdict{Refuted, Refuted, Supported}},
		{"easy-first helps", judgeCurriculum(data(0, .001, .1, .1, -.1, 0)), []Verdict{Depends, Depends, Refuted}},
		{"too noisy", judgeCurriculum(data(0, .1, 0, 0, 0, 0)), []Verdict{Undecided, Undecided, Refuted}},
		{"norms too noisy to compare", judgeCurriculum(wide), []Verdict{Refuted, Refuted, Undecided}},
	})
}

func TestFreeRule(t *testing.T) {
	t.Parallel()
	// data has the differences to LayerNorm of DyT and Derf on little and on all of the text.
	data := func(spread float64, little, all [2]float64) freeData {
		norms := func(differences [2]float64) []freeNorm {
			norm := func(name string, difference, spread float64) freeNorm {
				return freeNorm{Norm: name, Val: five(2+difference, spread), Train: five(2, 0)}
			}
			return []freeNorm{norm("layer", 0, 0), norm("dyt", differences[0], spread), norm("derf", differences[1], spread)}
		}
		return freeData{norms(little), norms(all)}
	}
	type pair = [2]float64
	better, worse, no := pair{-.1, -.1}, pair{.1, .1}, pair{}
	check(t, []rule{
		{"the sign flips", judgeFree(data(.01, better, worse)), []Verdict{Refuted, Supported, Supported}},
		{"always better", judgeFree(data(.01, better, better)), []Verdict{Supported, Refuted, Refuted}},
		{"always worse, the other way", judgeFree(data(.01, worse, pair{.1, -.1})), []Verdict{Refuted, Refuted, Refuted}},
		{"one can", judgeFree(data(.01, better, pair{.1, -.1})), []Verdict{Depends, Supported, Refuted}},
		{"too noisy", judgeFree(data(.1, no, no)), []Verdict{Undecided, Undecided, Undecided}},
	})
}
