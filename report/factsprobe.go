package report

import (
	"fmt"

	"gorgonorm/runlog"
)

// growthWithoutNorm compares, at each learning rate, the growth of the residual
// stream's RMS over the blocks and over the training in the plain runs of each
// norm: rates are not averaged, for one run that explodes would outweigh all
// others.
func growthWithoutNorm(vs []variant) fact {
	f := fact{
		Claim:  "without a norm the residual stream's RMS grows most with depth and with training",
		Source: "Bjorck et al. 2018, arXiv 1806.02375",
	}
	without, _ := find(vs, kind{"none", "pre", false})
	compared := 0
	var deepest, most []string // the rates at which none is first
	var example string
	for _, lr := range without.rates {
		depth, training := growthAt(vs, lr)
		first, known := depth.top("none")
		if !known {
			continue
		}
		compared++
		if first {
			deepest = append(deepest, rate(lr))
		}
		if first, _ := training.top("none"); first {
			most = append(most, rate(lr))
		}
		if example == "" || lr == without.BestLR {
			example = fmt.Sprintf("At lr %s it is, from the embedding to the last block, times %s; from the first probe to the last, times %s.", rate(lr), depth, training)
		}
	}
	if compared == 0 {
		return f.needs("It needs finite probes of pre-norm runs under none and under a norm at the same learning rate.")
	}
	at := func(rates []string) string {
		if n := len(rates); n > 0 && n < compared {
			return fmt.Sprintf("%d (%s)", n, list(rates))
		}
		return fmt.Sprint(len(rates))
	}
	return f.judged(len(deepest) == compared && len(most) == compared, fmt.Sprintf(
		"Of %d learning rates, it grows most with depth at %s, with training at %s. %s", compared, at(deepest), at(most), example))
}

// growthAt is the growth at a learning rate under each norm of the plain runs, the
// geometric mean over those with finite probes.
func growthAt(vs []variant, lr runlog.Float) (depth, training values) {
	for _, v := range vs {
		if !v.plain() {
			continue
		}
		var d, t []runlog.Float
		for _, r := range v.Rows {
			byDepth, byTraining := growth(r.Probes)
			if runlog.Float(r.Config.LR) == lr && byDepth.Finite() && byTraining.Finite() && byDepth > 0 && byTraining > 0 {
				d, t = append(d, byDepth), append(t, byTraining)
			}
		}
		if len(d) > 0 {
			depth.add(v.norm, geometricMean(d))
			training.add(v.norm, geometricMean(t))
		}
	}
	return depth, training
}

// growth is how many times the residual stream's RMS is larger after the last
// block than after the embedding in the last probe, and after the last block in
// the last probe than in the first. It is NaN without two probes.
func growth(ps []runlog.Probe) (depth, training runlog.Float) {
	if len(ps) < 2 {
		return notANumber, notANumber
	}
	end := lastResidual(ps[len(ps)-1])
	return end / embedding(ps[len(ps)-1]), end / lastResidual(ps[0])
}

// embedding is the residual stream's RMS before the first block.
func embedding(p runlog.Probe) runlog.Float {
	if len(p.Residual) == 0 {
		return notANumber
	}
	return p.Residual[0].RMS
}

// lastResidual is the residual stream's RMS after the last block.
func lastResidual(p runlog.Probe) runlog.Float {
	if len(p.Residual) == 0 {
		return notANumber
	}
	return p.Residual[len(p.Residual)-1].RMS
}

// unitInput is how far from 1 the embedding's E‖x‖²/d may be for a lemma that
// assumes 1.
const unitInput = 0.1

// initialResiduals are E‖x‖²/d after the embedding and after each block, at
// initialization, of the runs with LayerNorm or RMSNorm in the given place.
func initialResiduals(vs []variant, placement string) (all [][]runlog.Float) {
	for _, v := range vs {
		if v.placement != placement || v.norm != "layer" && v.norm != "rms" {
			continue
		}
		for _, r := range v.Rows {
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

// preNormAtStart checks the bounds of Xiong et al.'s lemma 2 on runs that meet
// its assumption.
func preNormAtStart(vs []variant) fact {
	f := fact{
		Claim:  "at initialisation pre-norm's E‖x‖² after block l lies between (1+l/2)d and (1+3l/2)d",
		Source: "Xiong et al. 2020, arXiv 2002.04745, lemma 2",
	}
	all := initialResiduals(vs, "pre")
	if len(all) == 0 {
		return f.needs("It needs a probe of step 1 of a pre-norm run under layer or rms.")
	}
	var inputs, ends []runlog.Float
	fit, within, blocks := 0, 0, 0
	for _, squares := range all {
		inputs = append(inputs, squares[0])
		if squares[0] < 1-unitInput || squares[0] > 1+unitInput {
			continue
		}
		fit++
		ends = append(ends, squares[len(squares)-1])
		blocks = max(blocks, len(squares)-1)
		if withinLemma(squares) {
			within++
		}
	}
	if fit == 0 {
		return f.needs(fmt.Sprintf("It assumes E‖x‖²/d = 1 after the embedding, which is %s here (nanoGPT's initialisation gives about 0.0008); `go test ./models/transformer -run Initialisation` checks it where the assumptions hold.",
			fromToNumbers(inputs)))
	}
	return f.judged(within == fit, fmt.Sprintf("In %d of %d runs all blocks are within; after the last of %d, E‖x‖²/d is %s.", within, fit, blocks, fromToNumbers(ends)))
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

// steady is how far apart E‖x‖² after two blocks may be to count as constant.
const steady = 0.01

// postNormAtStart checks that all blocks leave the same size.
func postNormAtStart(vs []variant) fact {
	f := fact{
		Claim:  "at initialisation post-norm's E‖x‖² is the same after every block",
		Source: "Xiong et al. 2020, arXiv 2002.04745, lemma 2",
	}
	var apart []runlog.Float
	for _, squares := range initialResiduals(vs, "post") {
		if len(squares) > 2 {
			lo, hi := extremes(squares[1:])
			apart = append(apart, hi/lo-1)
		}
	}
	if len(apart) == 0 {
		return f.needs("It needs a probe of step 1 of a post-norm run of two blocks or more under layer or rms.")
	}
	_, most := extremes(apart)
	return f.judged(most <= steady, fmt.Sprintf("The largest difference between two blocks of a run is %s %%, of %d runs.", significant(100*most), len(apart)))
}

// fromToNumbers is the range of values.
func fromToNumbers(values []runlog.Float) string {
	lo, hi := extremes(values)
	return fromTo(significant(lo), significant(hi))
}
