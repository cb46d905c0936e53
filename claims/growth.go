package claims

import (
	"context"
	"fmt"
	"math"
	"slices"

	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

var growth = experiment(About{
	Name:  "growth",
	Short: "do activations grow without norms?",
	Claim: "Without norms activations grow without control.",
	Method: "Transformers of 4, 8, 16 and 32 blocks are trained without any norm, with LayerNorm at four " +
		"placements (pre, post, peri, and pre with LayerNorm Scaling), and with pre-norm that lacks the norm " +
		"before the head (open), from the same weights and with the same batches, at a learning rate of 0.003; the " +
		"deepest also at 0.03. The root mean square (RMS) of the residual stream is probed after each block, seven " +
		"times in a run. In the deepest model, a line and an exponential are fitted to E‖x‖² by block, by least " +
		"squares between logarithms.",
	Rule: "A stream is exponential if its mean square grows by 10 % or more from the first block to the last and " +
		"the exponential's AICc is lower than the line's by 2 or more, linear if it is higher by 2 or more (all " +
		"comparisons are of 95 % intervals over the seeds; sizes and factors by their logarithms). With depth: " +
		"supported if in the deepest model the stream without norms is exponential, while pre-norm's is not, and " +
		"not smaller than pre-norm's after the last block; or if its RMS there is at least twice that of every arm " +
		"with norms; or if most runs without norms, and fewer with pre-norm, meet a loss or gradient that is not " +
		"finite. Refuted if the RMS there is below pre-norm's and the stream not exponential; it depends if the " +
		"stream is exponential where pre-norm's is not, but smaller. With steps: supported if the RMS after the " +
		"last block grows from the first probe to the last by at least twice the factor of every arm with norms, " +
		"or if most runs without norms, and fewer with pre-norm, are not finite; refuted if by a smaller factor " +
		"than pre-norm's. Else undecided.",
	Literature: "Without norms each branch is as large as its input, so growth can multiply from block to block; " +
		"a norm before the branch makes it add, linearly in E‖x‖² (Xiong et al. 2020, arXiv 2002.04745), LayerNorm " +
		"Scaling slows that down (Sun et al. 2025, arXiv 2502.05795), and a norm after the sum ends it. Kim et al. " +
		"2025 (arXiv 2502.02732) find pre-norm's stream to grow much more than peri-norm's in training. Bjorck et " +
		"al. 2018 (arXiv 1806.02375) find that without BatchNorm activations and gradients explode at high " +
		"learning rates.",
	Limits: "The weights start as GPT-2's do, where branches are small; larger ones let the stream without norms " +
		"grow from the start. Runs are short, gradients are clipped at 1, and steps that are not finite are " +
		"skipped. At 0.03 no arm of 32 blocks learns more than the frequencies of characters.",
}, 640, measureStreams, judgeStreams, drawStreams)

// growthData is what the experiment measures: an element for each arm, depth and rate.
type growthData struct {
	Models []growthModel `json:"models"`
}

// growthModel has a run for each seed.
type growthModel struct {
	Arm    string      `json:"arm"`
	Layers int         `json:"layers"`
	LR     float64     `json:"lr"`
	Runs   []growthRun `json:"runs"`
}

// growthRun has the RMS of the residual stream. Probes whose numbers are not finite are left
// out.
type growthRun struct {
	Initial   series `json:"initial"` // after each block, in the first step
	Trained   series `json:"trained"` // the same at the last probe
	Steps     []int  `json:"steps"`   // of the probes
	Last      series `json:"last"`    // after the last block, at each probe
	NonFinite bool   `json:"non_finite,omitempty"`
}

// growthArms are the models compared. Those after the first have norms, pre-norm first.
var growthArms = []struct {
	name, norm string
	placement  transformer.Placement
}{
	{"none", "none", transformer.Pre},
	{"pre", "layer", transformer.Pre},
	{"open", "layer", transformer.Open},
	{"scaled", "layer", transformer.Scaled},
	{"peri", "layer", transformer.Peri},
	{"post", "layer", transformer.Post},
}

func measureStreams(ctx context.Context, b *Bench) (d growthData, err error) {
	text, err := defaultText()
	if err != nil {
		return d, err
	}
	depths := pick(b, []int{2, 6}, []int{4, 8, 16, 32})
	deepest := len(depths) - 1
	blocks, done := depths[deepest], 0 // the deepest model is trained at two rates
	for _, n := range depths {
		blocks += n
	}
	for i, depth := range depths {
		rates := []float64{3e-3}
		if i == deepest {
			rates = append(rates, 3e-2)
		}
		share := func(s float64) float64 {
			return (float64(done) + float64(s*float64(depth*len(rates)))) / float64(blocks)
		}
		models, err := b.growthModels(ctx, text, depth, rates, share)
		if err != nil {
			return d, err
		}
		d.Models = append(d.Models, models...)
		done += depth * len(rates)
	}
	return d, nil
}

// growthModels trains the models of one depth. share converts their progress to the experiment's.
func (b *Bench) growthModels(
	ctx context.Context, text *train.Corpus, depth int, rates []float64, share func(float64) float64,
) (models []growthModel, err error) {
	var cs []runlog.Config
	for _, lr := range rates {
		for _, arm := range growthArms {
			models = append(models, growthModel{Arm: arm.name, Layers: depth, LR: lr})
			for _, seed := range b.Seeds {
				c := b.small()
				c.Norm, c.Placement, c.Layers, c.Seed = arm.norm, string(arm.placement), depth, seed
				c.LR, c.MinLR = lr, lr/10
				c.Context, c.Batch, c.Steps = 32, 8, pick(b, 6, 120)
				c.Warmup, c.EvalEvery, c.EvalBatches, c.ProbeEvery = c.Steps/10, c.Steps, 10, c.Steps/6
				cs = append(cs, c)
			}
		}
	}
	part := *b
	part.onPart = func(s float64, what string) { b.part(share(s), fmt.Sprintf("%d blocks, %s", depth, what)) }
	runs, err := part.train(ctx, fmt.Sprintf("growth/%d", depth), text, cs)
	if err != nil {
		return nil, err
	}
	for i, r := range runs {
		m := &models[i/len(b.Seeds)]
		m.Runs = append(m.Runs, streamOf(r.Run))
	}
	return models, nil
}

func streamOf(r runlog.Run) (g growthRun) {
	g.NonFinite = r.Summary.Divergence == runlog.NonFinite
	for _, p := range r.Probes {
		var rms []float64
		for _, s := range p.Residual[1:] { // without the embedding
			rms = append(rms, float64(s.RMS))
		}
		if slices.ContainsFunc(rms, func(v float64) bool { return !runlog.Float(v).Finite() }) {
			continue
		}
		if g.Initial == nil {
			g.Initial = rms
		}
		g.Trained = rms
		g.Steps, g.Last = append(g.Steps, p.Step), append(g.Last, rms[len(rms)-1])
	}
	return g
}

// model returns an arm's deepest model at a rate.
func (d growthData) model(arm string, lr float64) growthModel {
	var deepest growthModel
	for _, m := range d.Models {
		if m.Arm == arm && m.LR == lr && m.Layers > deepest.Layers {
			deepest = m
		}
	}
	return deepest
}

// rates returns the learning rates of the deepest model.
func (d growthData) rates() (rates []float64) {
	for _, m := range d.Models {
		if !slices.Contains(rates, m.LR) {
			rates = append(rates, m.LR)
		}
	}
	return rates
}

// each returns a number for each seed.
func (m growthModel) each(of func(growthRun) float64) (numbers []float64) {
	for _, r := range m.Runs {
		numbers = append(numbers, of(r))
	}
	return numbers
}

// notFinite reports how many runs met a loss or gradient that is not finite.
func (m growthModel) notFinite() (n int) {
	for _, r := range m.Runs {
		if r.NonFinite {
			n++
		}
	}
	return n
}

// profile is the RMS of a stream after each block, before or after training.
type profile func(growthRun) []float64

func initial(r growthRun) []float64 { return r.Initial }
func final(r growthRun) []float64   { return r.Trained }

// end returns the RMS after the last block.
func (p profile) end(r growthRun) float64 { return p(r)[len(p(r))-1] }

// form is how a stream's mean square depends on the block.
type form struct {
	name       string   // "exponential", "linear", "flat" or "undecided"
	difference Interval // of AICc, the line's less the exponential's
	factor     Interval // mean square after the last block over that after the first
}

// form fits the curves to each seed's stream.
func (m growthModel) form(p profile) (f form, err error) {
	var differences, factors []float64 // of AICc, the line's less the exponential's
	for _, r := range m.Runs {
		var x, y []float64
		for i, rms := range p(r) {
			x, y = append(x, float64(i+1)), append(y, rms*rms)
		}
		line, err := linearFit(x, y)
		if err != nil {
			return f, err
		}
		differences = append(differences, line.AICc-exponentialFit(x, y).AICc)
		factors = append(factors, y[len(y)-1]/y[0])
	}
	const margin, flat = 2, 1.1
	f.difference, f.factor = interval(differences), geometric(factors)
	switch {
	case f.factor.below(flat):
		f.name = "flat"
	case !f.factor.above(flat):
		f.name = "undecided"
	case f.difference.above(margin):
		f.name = "exponential"
	case f.difference.below(-margin):
		f.name = "linear"
	default:
		f.name = "undecided"
	}
	return f, nil
}

// geometric returns the geometric mean with the interval of the logarithms.
func geometric(x []float64) Interval {
	i := interval(logarithms(x))
	return Interval{Mean: math.Exp(i.Mean), Low: math.Exp(i.Low), High: math.Exp(i.High), N: i.N}
}

func judgeStreams(d growthData) (js []Judgement) {
	for i, lr := range d.rates() {
		if i == 0 { // the weights are the same at all rates
			js = append(js, d.judgeDepth("with depth, before training", lr, false))
		}
		js = append(js,
			d.judgeDepth(fmt.Sprintf("with depth, trained at %g", lr), lr, true),
			d.judgeSteps(fmt.Sprintf("with steps, at %g", lr), lr))
	}
	return js
}

func (d growthData) judgeDepth(part string, lr float64, trained bool) Judgement {
	p := profile(initial)
	if trained {
		p = final
	}
	j := Judgement{Part: part, Verdict: Undecided, Effect: "RMS after the last block without norms, over pre-norm's"}
	pre, every := d.beside(lr, p.end)
	j.Size = pre
	forms := make(map[string]string)
	reasons := []string{"the stream's form, AICc of the line less the exponential's, E‖x‖² after the last block over " +
		"that after the first, RMS after the last"}
	for _, arm := range growthArms {
		m := d.model(arm.name, lr)
		f, err := m.form(p)
		if err != nil {
			j.Reason = err.Error()
			return j
		}
		forms[arm.name] = f.name
		reasons = append(reasons, fmt.Sprintf("%s %s, %+.3g, ×%.3g, %.3g%s",
			arm.name, f.name, f.difference.Mean, f.factor.Mean, geometric(m.each(p.end)).Mean, m.remark(trained)))
	}
	j.Reason = sentence(reasons)
	if trained && d.lost(lr) {
		j.Effect, j.Size = d.lostShare(lr)
	}
	exponential := forms["none"] == "exponential" && forms["pre"] != "exponential"
	switch {
	case trained && d.lost(lr), every.above(2), exponential && !pre.below(1):
		j.Verdict = Supported
	case exponential:
		j.Verdict = Depends
		j.Reason += "; without norms the form is exponential, yet the stream smaller"
	case pre.below(1) && forms["none"] != "exponential":
		j.Verdict = Refuted
	}
	return j
}

func (d growthData) judgeSteps(part string, lr float64) Judgement {
	factor := func(r growthRun) float64 { return r.Last[len(r.Last)-1] / r.Last[0] }
	pre, every := d.beside(lr, factor)
	j := Judgement{Part: part, Verdict: Undecided, Size: pre,
		Effect: "growth in training of the RMS after the last block without norms, over pre-norm's"}
	var reasons []string
	for _, arm := range growthArms {
		m := d.model(arm.name, lr)
		reasons = append(reasons, fmt.Sprintf("%s ×%.3g%s", arm.name, geometric(m.each(factor)).Mean, m.remark(true)))
	}
	j.Reason = sentence(reasons)
	if d.lost(lr) {
		j.Effect, j.Size = d.lostShare(lr)
	}
	switch {
	case d.lost(lr), every.above(2):
		j.Verdict = Supported
	case pre.below(1):
		j.Verdict = Refuted
	}
	return j
}

// beside returns a number of the models without norms over pre-norm's, and over the largest of
// any arm with norms at each seed.
func (d growthData) beside(lr float64, of func(growthRun) float64) (pre, every Interval) {
	none := d.model("none", lr).each(of)
	var largest []float64
	for _, arm := range growthArms[1:] {
		v := d.model(arm.name, lr).each(of)
		if arm.name == "pre" {
			pre = geometric(ratios(none, v))
			largest = slices.Clone(v)
		}
		for s := range largest {
			largest[s] = max(largest[s], v[s])
		}
	}
	return pre, geometric(ratios(none, largest))
}

// lost reports whether most runs without norms are not finite, and fewer with pre-norm.
func (d growthData) lost(lr float64) bool {
	none, pre := d.model("none", lr), d.model("pre", lr)
	return 2*none.notFinite() > len(none.Runs) && pre.notFinite() < none.notFinite()
}

// lostShare is the effect to show of lost runs, some of which have no finite stream after the first
// probe.
func (d growthData) lostShare(lr float64) (effect string, share Interval) {
	none := d.model("none", lr)
	s := float64(none.notFinite()) / float64(len(none.Runs))
	return "share of the runs without norms that are not finite", Interval{Mean: s, Low: s, High: s, N: len(none.Runs)}
}

// remark counts the trained runs that are not finite.
func (m growthModel) remark(trained bool) string {
	if n := m.notFinite(); trained && n > 0 {
		return fmt.Sprintf(" (%d of %d runs not finite)", n, len(m.Runs))
	}
	return ""
}

func drawStreams(d growthData) (fs []Figure) {
	const stream = "RMS of the residual stream"
	rates := d.rates()
	for _, lr := range rates {
		fs = append(fs, d.drawDepth(fmt.Sprintf("%s after each block, trained at %g", stream, lr), lr, final))
	}
	fs = append(fs, d.drawDepth(stream+" after each block, before training", rates[0], initial))
	for _, lr := range rates {
		f := Figure{Title: fmt.Sprintf("%s after the last block, at %g", stream, lr), X: "step", Y: "RMS", LogY: true}
		for _, arm := range growthArms {
			m, c := d.model(arm.name, lr), Curve{Name: arm.name}
			for i, step := range m.Runs[0].Steps {
				c.Points = append(c.Points, pointOf(float64(step), geometric(m.each(func(r growthRun) float64 {
					return r.Last[min(i, len(r.Last)-1)]
				}))))
			}
			f.Curves = append(f.Curves, c)
		}
		fs = append(fs, f)
	}
	f := Figure{Title: fmt.Sprintf("%s after the last block, by the number of blocks, trained at %g", stream, rates[0]),
		X: "blocks", Y: "RMS", LogX: true, LogY: true}
	for _, arm := range growthArms {
		c := Curve{Name: arm.name}
		for _, m := range d.Models {
			if m.Arm == arm.name && m.LR == rates[0] {
				c.Points = append(c.Points, pointOf(float64(m.Layers), geometric(m.each(profile(final).end))))
			}
		}
		f.Curves = append(f.Curves, c)
	}
	return append(fs, f)
}

func (d growthData) drawDepth(title string, lr float64, p profile) Figure {
	f := Figure{Title: title, X: "block", Y: "RMS", LogY: true}
	for _, arm := range growthArms {
		m, c := d.model(arm.name, lr), Curve{Name: arm.name}
		for i := range m.Layers {
			c.Points = append(c.Points, pointOf(float64(i+1), geometric(m.each(func(r growthRun) float64 { return p(r)[i] }))))
		}
		f.Curves = append(f.Curves, c)
	}
	return f
}
