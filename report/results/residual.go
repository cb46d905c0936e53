package results

import "gorgonorm/runlog"

// Growth is the check that the RMS of the residual stream grows most without a norm,
// over the blocks and over the training. Rates are compared one by one, because in a
// mean over them a run that explodes would outweigh all others.
type Growth struct {
	Outcome
	Rates           int            // at which there are runs without and with a norm
	InDepth, InTime []runlog.Float // the rates at which it grows most without a norm
	Example         runlog.Float   // the best rate without a norm, or else the first
	ByDepth, ByTime ByNorm         // factors of growth at the example
}

func growth(vs []Variant) (g Growth) {
	none, _ := find(vs, Kind{Norm: "none", Placement: "pre"})
	for _, lr := range none.Rates {
		depth, time := growthAt(vs, lr)
		deepest, known := depth.largest("none")
		if !known {
			continue
		}
		g.Rates++
		if deepest {
			g.InDepth = append(g.InDepth, lr)
		}
		if most, _ := time.largest("none"); most {
			g.InTime = append(g.InTime, lr)
		}
		if g.Rates == 1 || lr == none.BestLR {
			g.Example, g.ByDepth, g.ByTime = lr, depth, time
		}
	}
	if g.Rates > 0 {
		g.Outcome = judged(len(g.InDepth) == g.Rates && len(g.InTime) == g.Rates)
	}
	return g
}

// growthAt returns the growth at a learning rate in the plain runs of each norm, the
// geometric mean over those with finite probes.
func growthAt(vs []Variant, lr runlog.Float) (depth, time ByNorm) {
	for _, v := range vs {
		if !v.plain() {
			continue
		}
		var d, t []runlog.Float
		for _, r := range v.Runs {
			inDepth, inTime := growthOf(r.Probes)
			if Rate(r) == lr && inDepth.Finite() && inTime.Finite() && inDepth > 0 && inTime > 0 {
				d, t = append(d, inDepth), append(t, inTime)
			}
		}
		if len(d) > 0 {
			depth = append(depth, Measured{v.Norm, geometricMean(d)})
			time = append(time, Measured{v.Norm, geometricMean(t)})
		}
	}
	return depth, time
}

// growthOf returns the ratio of the residual stream's RMS after the last block to that
// after the embedding, in the last probe, and to that after the last block in the
// first probe. It returns NaN without two probes.
func growthOf(ps []runlog.Probe) (depth, time runlog.Float) {
	if len(ps) < 2 {
		return nan, nan
	}
	end := LastResidual(ps[len(ps)-1])
	return end / embedding(ps[len(ps)-1]), end / LastResidual(ps[0])
}

// initialResiduals returns E‖x‖²/d after the embedding and after each block, at
// initialization, of the runs with LayerNorm or RMSNorm at a placement.
func initialResiduals(vs []Variant, placement string) (all [][]runlog.Float) {
	for _, v := range vs {
		if v.Placement != placement || v.Norm != "layer" && v.Norm != "rms" {
			continue
		}
		for _, r := range v.Runs {
			if len(r.Probes) == 0 || r.Probes[0].Step != 1 {
				continue
			}
			var squares []runlog.Float
			for _, s := range r.Probes[0].Residual {
				squares = append(squares, s.RMS*s.RMS)
			}
			if len(squares) > 1 && len(finite(squares)) == len(squares) {
				all = append(all, squares)
			}
		}
	}
	return all
}

// unitInput is the distance from 1 that the embedding's E‖x‖²/d may have for a lemma
// that assumes 1.
const unitInput = 0.1

// PreNormStart is the check of the bounds on E‖x‖²/d at initialization under pre-norm
// in lemma 2 of Xiong et al. 2020, on runs that meet its assumption.
type PreNormStart struct {
	Outcome
	Probed int   // runs with a probe of step 1
	Inputs Range // of E‖x‖²/d after the embedding, which the lemma assumes to be 1
	Fit    int   // runs that meet the assumption
	Within int   // of those, runs with all blocks within the bounds
	Blocks int   // of the deepest of those
	Ends   Range // of E‖x‖²/d after the last block of those
}

func preNormStart(vs []Variant) (p PreNormStart) {
	all := initialResiduals(vs, "pre")
	var inputs, ends []runlog.Float
	for _, squares := range all {
		inputs = append(inputs, squares[0])
		if squares[0] < 1-unitInput || squares[0] > 1+unitInput {
			continue
		}
		p.Fit++
		ends = append(ends, squares[len(squares)-1])
		p.Blocks = max(p.Blocks, len(squares)-1)
		if withinLemma(squares) {
			p.Within++
		}
	}
	p.Probed, p.Inputs, p.Ends = len(all), RangeOf(inputs), RangeOf(ends)
	if p.Fit > 0 {
		p.Outcome = judged(p.Within == p.Fit)
	}
	return p
}

func withinLemma(squares []runlog.Float) bool {
	for l, x := range squares[1:] {
		n := runlog.Float(l + 1)
		if x < 1+n/2 || x > 1+3*n/2 {
			return false
		}
	}
	return true
}

// steady is the relative difference up to which two values of E‖x‖² count as equal.
const steady = 0.01

// PostNormStart is the check that at initialization, under post-norm, E‖x‖² is the same
// after every block.
type PostNormStart struct {
	Outcome
	Runs    int          // with two blocks or more
	Percent runlog.Float // the largest difference between two blocks of a run
}

func postNormStart(vs []Variant) (p PostNormStart) {
	var differences []runlog.Float
	for _, squares := range initialResiduals(vs, "post") {
		if len(squares) > 2 {
			blocks := RangeOf(squares[1:])
			differences = append(differences, blocks.Hi/blocks.Lo-1)
		}
	}
	most := RangeOf(differences).Hi
	p.Runs, p.Percent = len(differences), 100*most
	if p.Runs > 0 {
		p.Outcome = judged(most <= steady)
	}
	return p
}
