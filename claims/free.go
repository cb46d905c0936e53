package claims

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat"

	"gorgonorm/runlog"
	"gorgonorm/train"
)

var free = experiment(About{
	Name:  "free",
	Short: "can a pointwise function take a norm's place?",
	Claim: "A norm is not needed: a pointwise function (DyT, Derf) can take its place, better on little text and " +
		"worse on much.",
	Method: "Small transformers with DyT, Derf, LayerNorm and RMSNorm learn the first 5 % of a text, which they " +
		"see about nine times, or all of it, of which they see a half. Each is trained at two learning rates, " +
		"which rise over a third of the steps, and is judged at the one with the lower mean validation loss, " +
		"separately for each amount of text. Besides the validation loss, the training loss is measured in " +
		"evaluation mode, with the last weights, on the 5 % that all have read.",
	Rule: "A function takes LayerNorm's place if its validation loss less LayerNorm's is at most 0.01 nat for " +
		"both amounts of text (95 % interval over the seeds), and does not if it is above for one. Supported if " +
		"both functions do, refuted if neither does, depends if one does and the other does not; else undecided. " +
		"The sign flips as found: for each function, supported if the difference is below 0 on 5 % and above 0 on " +
		"all of the text (95 % intervals); refuted if it is above 0 on both, below 0 on both, or flips the other " +
		"way; else undecided.",
	Literature: "Zhu et al. 2025 (arXiv 2503.10622) and Chen et al. 2025 (arXiv 2512.10938) replace norms by DyT " +
		"and Derf without loss. Verma 2026 (arXiv 2604.23434) finds DyT 27 % better than LayerNorm on 1 M tokens " +
		"and 19 % worse on 118 M, with 64 M parameters, as a regularizer would be.",
	Limits: "The models have 200,000 parameters and learn for 300 steps, the texts 25,000 and 510,000 " +
		"characters: what happens where little text is seen hundreds of times, and in models of usual size, is not " +
		"shown. The better of two rates is chosen by the validation loss that is then compared. The rule was first " +
		"applied to runs whose rates rose over a tenth of the steps. Most runs of DyT and Derf then never learned " +
		"more than the frequencies of characters, and were 0.5 to 0.6 nat worse than LayerNorm on both amounts. " +
		"The longer rise was chosen for this reason, and the rule was kept.",
}, 270, measureFree, judgeFree, drawFree)

// freeData is what the experiment measures.
type freeData struct {
	Little []freeNorm `json:"little"` // on littleText of the text
	All    []freeNorm `json:"all"`
}

// freeNorm has an element for each seed.
type freeNorm struct {
	Norm  string  `json:"norm"`
	LR    float64 `json:"lr"` // the better of freeRates
	Val   series  `json:"val"`
	Train series  `json:"train"` // loss in evaluation mode on littleText of the text
}

// littleText is the share of the text that counts as little.
const littleText = 0.05

var (
	freeNorms = []string{"layer", "rms", "dyt", "derf"}
	freeRates = []float64{1e-3, 3e-3}
)

func measureFree(ctx context.Context, b *Bench) (d freeData, err error) {
	text, err := defaultText()
	if err != nil {
		return d, err
	}
	rates := pick(b, freeRates[1:], freeRates)
	of := make(map[freeArm][]trained)
	var cs []runlog.Config
	for _, seed := range b.Seeds {
		for _, a := range freeArms(rates) {
			c := b.small()
			c.Norm, c.LR, c.MinLR, c.TextShare, c.Seed = a.norm, a.lr, a.lr/10, a.share, seed
			c.Warmup = c.Steps / 3
			cs = append(cs, c)
		}
	}
	runs, err := b.train(ctx, "free", text, cs)
	if err != nil {
		return d, err
	}
	for _, r := range runs {
		a := freeArm{r.Config.Norm, r.Config.LR, r.Config.TextShare}
		of[a] = append(of[a], r)
	}
	read := text.Train[:int(littleText*float64(len(text.Train)))] // by all runs
	for _, norm := range freeNorms {
		for share, norms := range map[float64]*[]freeNorm{littleText: &d.Little, 0: &d.All} {
			n, runs := betterRate(of, rates, norm, share)
			for _, r := range runs {
				model, err := r.model()
				if err != nil {
					return d, err
				}
				e, err := train.Evaluate(ctx, model, read[:pick(b, 2000, len(read))], nil)
				if err != nil {
					return d, err
				}
				n.Train = append(n.Train, e.Loss)
			}
			*norms = append(*norms, n)
		}
	}
	return d, nil
}

// freeArm is what all seeds share.
type freeArm struct {
	norm      string
	lr, share float64
}

func freeArms(rates []float64) (arms []freeArm) {
	for _, share := range []float64{littleText, 0} {
		for _, lr := range rates {
			for _, norm := range freeNorms {
				arms = append(arms, freeArm{norm, lr, share})
			}
		}
	}
	return arms
}

// betterRate returns the validation losses of a norm's runs on a share of the text, and the
// runs, at the learning rate with the lower mean.
func betterRate(of map[freeArm][]trained, rates []float64, norm string, share float64) (best freeNorm, runs []trained) {
	lowest := math.Inf(1)
	for _, lr := range rates {
		at := of[freeArm{norm, lr, share}]
		val := validation(at)
		if mean := stat.Mean(val, nil); mean < lowest {
			lowest, best, runs = mean, freeNorm{Norm: norm, LR: lr, Val: val}, at
		}
	}
	return best, runs
}

// against returns a measure of a norm less LayerNorm's, seed by seed.
func against(norms []freeNorm, norm string, measure func(freeNorm) []float64) []float64 {
	of := make(map[string][]float64)
	for _, n := range norms {
		of[n.Norm] = measure(n)
	}
	return differences(of[norm], of["layer"])
}

func freeVal(n freeNorm) []float64   { return n.Val }
func freeTrain(n freeNorm) []float64 { return n.Train }

func judgeFree(d freeData) []Judgement {
	return []Judgement{judgePlace(d), judgeFlip(d, "dyt"), judgeFlip(d, "derf")}
}

func judgePlace(d freeData) Judgement {
	const margin = 0.01
	j := Judgement{Part: "it can take LayerNorm's place", Verdict: Undecided,
		Effect: "DyT's validation loss less LayerNorm's, on all of the text, nats",
		Size:   interval(against(d.All, "dyt", freeVal))}
	does, not := 0, 0
	var reasons []string
	for _, norm := range []string{"dyt", "derf"} {
		little, all := interval(against(d.Little, norm, freeVal)), interval(against(d.All, norm, freeVal))
		switch {
		case little.N > 1 && max(little.High, all.High) <= margin:
			does++
		case little.above(margin) || all.above(margin):
			not++
		}
		reasons = append(reasons, fmt.Sprintf("%s: %s on 5 %% of the text, %s on all", norm, nats(little), nats(all)))
	}
	switch {
	case does == 2:
		j.Verdict = Supported
	case not == 2:
		j.Verdict = Refuted
	case does == 1 && not == 1:
		j.Verdict = Depends
	}
	j.Reason = sentence(reasons)
	return j
}

func judgeFlip(d freeData, norm string) Judgement {
	little, all := interval(against(d.Little, norm, freeVal)), interval(against(d.All, norm, freeVal))
	change := interval(differences(against(d.All, norm, freeVal), against(d.Little, norm, freeVal)))
	j := Judgement{Part: norm + " is better on little text, worse on much", Verdict: Undecided, Size: change,
		Effect: "difference to LayerNorm on all of the text less that on 5 %, nats"}
	switch {
	case little.below(0) && all.above(0):
		j.Verdict = Supported
	case little.above(0) && (all.above(0) || all.below(0)), little.below(0) && all.below(0):
		j.Verdict = Refuted
	}
	fits, fitsAll := interval(against(d.Little, norm, freeTrain)), interval(against(d.All, norm, freeTrain))
	j.Reason = fmt.Sprintf("validation loss less LayerNorm's %s on 5 %%, %s on all; training loss %s and %s",
		nats(little), nats(all), nats(fits), nats(fitsAll))
	return j
}

// nats returns a difference with its interval.
func nats(i Interval) string { return fmt.Sprintf("%+.3f nat (%+.3f to %+.3f)", i.Mean, i.Low, i.High) }

func drawFree(d freeData) []Figure {
	var figures []Figure
	for _, m := range []struct {
		title string
		of    func(freeNorm) []float64
	}{
		{"Validation loss, beside LayerNorm's", freeVal},
		{"Training loss in evaluation mode, beside LayerNorm's", freeTrain},
	} {
		f := Figure{Title: m.title, X: "text", Y: "nats", Names: []string{"5 %", "all"}, Levels: []Level{{"LayerNorm", 0}}}
		for _, norm := range freeNorms[1:] {
			f.Curves = append(f.Curves, Curve{Name: norm, Points: []Point{
				pointOf(0, interval(against(d.Little, norm, m.of))), pointOf(1, interval(against(d.All, norm, m.of)))}})
		}
		figures = append(figures, f)
	}
	return figures
}
