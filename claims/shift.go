package claims

import (
	"context"
	"fmt"
	"slices"

	"gonum.org/v1/gonum/stat"

	"gorgonorm/runlog"
)

var shift = experiment(About{
	Name:  "shift",
	Short: "do norms keep inputs stable, and is that why they help?",
	Claim: "Norms keep each layer's input distribution stable while the layers before it change, and that is why " +
		"they help.",
	Method: "Small transformers are trained without norm, under BatchNorm, LayerNorm and RMSNorm, and under " +
		"BatchNorm with noise: after each norm every feature gets a random scale 1 + σn and shift σn, new at each " +
		"step, the same for all tokens, in training only. Drift compares each feature of a norm's input (without " +
		"norm, of what would be its input) with itself ten steps before: |m − m₀|/s₀ + |ln(s/s₀)|, the mean over " +
		"features, places and the steps after warm-up. Losses are on validation text in evaluation mode, with " +
		"BatchNorm's statistics recomputed over 20 batches without noise. Every 30 steps: how far the gradient " +
		"changes along itself, over 1/2 to 4 times the length of the optimizer's update, and how far a block's " +
		"gradient changes when the embeddings and blocks before it are updated. The rate, 0.02, and σ = 0.3 are " +
		"from trials with seeds 101 and 102. Without norm, rates of 0.003 and 0.01 train about as well as " +
		"BatchNorm, or better, 0.02 trains worse, 0.06 diverges. Drifts were 2.1 and 4.8 without norm, 0.15 under " +
		"BatchNorm, 0.27 with σ = 0.3, 0.47 with σ = 1 and 1.0 with σ = 2, which trains worse than no norm: no " +
		"noise under which the network learns anything brought the drift back.",
	Rule: "Stable: supported if the 95 % interval of the paired difference of drifts, norm less none, lies below " +
		"0 for all three norms; refuted if above 0 for all; it depends on the norm if it lies below for some and " +
		"above for others; else undecided. That is why: if BatchNorm's loss is below that without norm and the " +
		"noisy arm drifts more than no norm, both by 95 % intervals, then refuted if the noisy arm closes more " +
		"than 75 % of the gap between the two losses, supported if it closes less than 25 %, again by the interval " +
		"of the paired difference. Else undecided: without a gap there is nothing to explain, and noise that does " +
		"not bring the drift back tests nothing.",
	Literature: "Ioffe & Szegedy 2015 (arXiv 1502.03167) named the change of input distributions internal " +
		"covariate shift and proposed BatchNorm against it. Santurkar et al. 2018 (arXiv 1805.11604) found that " +
		"BatchNorm trains as well with noise that brings the change back, that it does not lessen the change of " +
		"gradients, and that it makes gradients more predictive.",
	Limits: "At the best rate of each, this small model does as well without norm as with BatchNorm; the gap is " +
		"that of a rate which is too high without norm. Noise may harm learning in other ways than by drift, so " +
		"that only a refutation would be strong. Drift is measured before each norm; after it BatchNorm's own mean " +
		"and variance are fixed by construction. Means and variances of single features are not the whole " +
		"distribution.",
}, 230, measureShift, judgeShift, drawShift)

// shiftData is what the experiment measures.
type shiftData struct {
	Arms []shiftArm `json:"arms"`
}

// shiftArm are the runs under one norm. Lists have an element for each seed.
type shiftArm struct {
	Name    string       `json:"name"`
	Loss    series       `json:"loss"`     // validation loss, BatchNorm's with recomputed statistics
	LastVal series       `json:"last_val"` // the same with running statistics
	Drift   series       `json:"drift"`    // mean over the places
	Places  []placeDrift `json:"places"`
	Along   []alongStep  `json:"along"`
	Change  series       `json:"change"` // of blocks' gradients after the update of what is before them
	Cosine  series       `json:"cosine"` // between the gradients before and after
}

// placeDrift is the drift of the input of one norm, or of its place in a model without norms: the
// mean shift plus the mean change of the logarithm of the deviation.
type placeDrift struct {
	Name  string `json:"name"`
	Drift series `json:"drift"`
}

// alongStep has the relative changes of gradient and loss that far along the gradient.
type alongStep struct {
	Times    float64 `json:"times"` // lengths of the optimizer's update
	Gradient series  `json:"gradient"`
	Loss     series  `json:"loss"`
}

// The arms. In the noisy one the noise undoes what BatchNorm does to the distributions.
const (
	noNorm     = "none"
	batchNorm  = "batch"
	noisyBatch = "noisy batch"
	shiftNoise = 0.3 // standard deviation
)

func (b *Bench) shiftArms(seed uint64) (names []string, cs []runlog.Config) {
	for _, name := range []string{noNorm, batchNorm, noisyBatch, "layer", "rms"} {
		c := b.small()
		c.Norm, c.Seed = name, seed
		if name == noisyBatch {
			c.Norm, c.NormNoise = batchNorm, shiftNoise
		}
		c.LR, c.MinLR = 2e-2, 2e-3
		c.ProbeEvery = pick(b, 2, 10)
		c.LandscapeEvery = pick(b, 4, 30)
		c.StatisticsBatches = pick(b, 2, 20)
		c.EvalBatches = pick(b, 4, c.EvalBatches)
		names, cs = append(names, name), append(cs, c)
	}
	return names, cs
}

func measureShift(ctx context.Context, b *Bench) (d shiftData, err error) {
	text, err := defaultText()
	if err != nil {
		return d, err
	}
	var names []string
	var cs []runlog.Config
	for _, seed := range b.Seeds {
		var arms []runlog.Config
		names, arms = b.shiftArms(seed)
		cs = append(cs, arms...)
	}
	runs, err := b.train(ctx, "shift", text, cs)
	if err != nil {
		return d, err
	}
	for _, name := range names {
		d.Arms = append(d.Arms, shiftArm{Name: name})
	}
	for i, r := range runs {
		d.Arms[i%len(names)].add(r.Run)
	}
	return d, nil
}

// add adds the measurements of a run.
func (a *shiftArm) add(r runlog.Run) {
	a.Loss = append(a.Loss, lossOrGuess(r, *r.Summary.PreciseVal))
	a.LastVal = append(a.LastVal, lossOrGuess(r, r.Summary.LastVal))
	drifts := make(map[string][]float64)
	var names []string
	for _, p := range r.Probes {
		for _, n := range p.Norms {
			if p.Step <= r.Config.Warmup+r.Config.ProbeEvery || n.Drift == nil {
				continue
			}
			if !slices.Contains(names, n.Name) {
				names = append(names, n.Name)
			}
			if v := n.Drift.Shift + n.Drift.LogRatio; v.Finite() {
				drifts[n.Name] = append(drifts[n.Name], float64(v))
			}
		}
	}
	var all []float64
	for i, name := range names {
		if len(a.Places) <= i {
			a.Places = append(a.Places, placeDrift{Name: name})
		}
		mean := stat.Mean(drifts[name], nil)
		a.Places[i].Drift = append(a.Places[i].Drift, mean)
		all = append(all, mean)
	}
	a.Drift = append(a.Drift, stat.Mean(all, nil))
	a.addLandscapes(r)
}

// addLandscapes adds the medians over the landscapes of a run after warm-up.
func (a *shiftArm) addLandscapes(r runlog.Run) {
	points := len(runlog.LandscapeTimes)
	gradient, loss := make([][]runlog.Float, points), make([][]runlog.Float, points)
	var change, cosine []runlog.Float
	for _, s := range r.Steps {
		if s.Landscape == nil || s.Step <= r.Config.Warmup {
			continue
		}
		for i, at := range s.Landscape.Along {
			gradient[i], loss[i] = append(gradient[i], at.Gradient), append(loss[i], at.Loss)
		}
		for _, b := range s.Landscape.Blocks {
			change, cosine = append(change, b.Gradient), append(cosine, b.Cosine)
		}
	}
	for i, times := range runlog.LandscapeTimes {
		if len(a.Along) <= i {
			a.Along = append(a.Along, alongStep{Times: times})
		}
		at := &a.Along[i]
		at.Gradient, at.Loss = append(at.Gradient, median(gradient[i])), append(at.Loss, median(loss[i]))
	}
	a.Change, a.Cosine = append(a.Change, median(change)), append(a.Cosine, median(cosine))
}

// lossOrGuess returns a loss, or that of an untrained model if this is less or the loss not finite.
func lossOrGuess(r runlog.Run, loss runlog.Float) float64 {
	if untrained := r.Untrained(); !(loss < untrained) {
		return float64(untrained)
	}
	return float64(loss)
}

// median returns the median of the finite values.
func median(values []runlog.Float) float64 {
	values = slices.DeleteFunc(values, func(v runlog.Float) bool { return !v.Finite() })
	return float64(runlog.Median(values))
}

// arm returns the arm of a name.
func (d shiftData) arm(name string) shiftArm {
	i := slices.IndexFunc(d.Arms, func(a shiftArm) bool { return a.Name == name })
	return d.Arms[i]
}

func judgeShift(d shiftData) []Judgement { return []Judgement{judgeStable(d), judgeWhy(d)} }

func judgeStable(d shiftData) Judgement {
	none := d.arm(noNorm)
	j := Judgement{
		Part: "norms keep the input distribution stable", Verdict: Undecided,
		Effect: "drift under BatchNorm less drift without norm",
	}
	reasons := []string{fmt.Sprintf("drift %.3f without norm", interval(none.Drift).Mean)}
	below, above := 0, 0
	norms := []string{batchNorm, "layer", "rms"}
	for _, name := range norms {
		drift := d.arm(name).Drift
		i := interval(differences(drift, none.Drift))
		if name == batchNorm {
			j.Size = i
		}
		if i.below(0) {
			below++
		}
		if i.above(0) {
			above++
		}
		reasons = append(
			reasons,
			fmt.Sprintf("%s %.3f (difference %+.3f, %+.3f to %+.3f)", name, interval(drift).Mean, i.Mean, i.Low, i.High),
		)
	}
	switch {
	case below == len(norms):
		j.Verdict = Supported
	case above == len(norms):
		j.Verdict = Refuted
	case above > 0 && below > 0:
		j.Verdict = Depends
		reasons = append(reasons, "it depends on the norm")
	}
	j.Reason = sentence(reasons)
	return j
}

// judgeWhy judges whether stable inputs are why BatchNorm helps, by an arm in which noise
// makes them unstable.
func judgeWhy(d shiftData) Judgement {
	none, batch, noisy := d.arm(noNorm), d.arm(batchNorm), d.arm(noisyBatch)
	gap, closed := differences(none.Loss, batch.Loss), differences(none.Loss, noisy.Loss)
	// over is how much more than a share of the gap the noisy arm closes.
	over := func(share float64) Interval {
		more := make([]float64, len(gap))
		for i := range gap {
			more[i] = closed[i] - float64(share*gap[i])
		}
		return interval(more)
	}
	helps, drifts, kept := interval(gap), interval(differences(noisy.Drift, none.Drift)), interval(closed)
	j := Judgement{Part: "and that is why they help", Verdict: Undecided,
		Effect: "gain of BatchNorm with noise over no norm, nats", Size: kept}
	j.Reason = fmt.Sprintf("BatchNorm's loss is %.3f nat below that without norm (%.3f to %.3f), with noise it is "+
		"%.3f (%.3f to %.3f), which is %.0f %%; "+
		"the drift with noise is %.3f, %+.3f beside that without norm (%+.3f to %+.3f)",
		helps.Mean, helps.Low, helps.High, kept.Mean, kept.Low, kept.High, 100*kept.Mean/helps.Mean,
		interval(noisy.Drift).Mean, drifts.Mean, drifts.Low, drifts.High)
	j.Reason += fmt.Sprintf("; a block's gradient changes by %.2f of its length when what is before it is updated "+
		"without norm, by %.2f under BatchNorm, by %.2f with noise",
		interval(none.Change).Mean, interval(batch.Change).Mean, interval(noisy.Change).Mean)
	switch {
	case !helps.above(0):
		j.Reason = "BatchNorm does not help here, so there is nothing to explain: " + j.Reason
	case !drifts.above(0):
		j.Reason = "the noise does not bring the drift back: " + j.Reason
	case over(0.75).above(0):
		j.Verdict = Refuted
	case over(0.25).below(0):
		j.Verdict = Supported
	}
	return j
}

func drawShift(d shiftData) []Figure {
	drift := Figure{Title: "Drift of the inputs of norms", Y: "mean shift + change of log deviation", LogY: true}
	loss := Figure{Title: "Validation loss at the end", Y: "nats"}
	ends := Curve{Dots: true}
	along := Figure{
		Title: "Change of the gradient along the gradient", X: "distance, in updates of the optimizer",
		Y: "‖g(x+Δ) − g(x)‖/‖g(x)‖", LogX: true, LogY: true,
	}
	blocks := Figure{Title: "Change of a block's gradient when what is before it is updated", Y: "‖G' − G‖/‖G‖"}
	changes := Curve{Dots: true}
	for i, a := range d.Arms {
		c := Curve{Name: a.Name}
		for j, p := range a.Places {
			if i == 0 {
				drift.Names = append(drift.Names, p.Name)
			}
			c.Points = append(c.Points, pointOf(float64(j), interval(p.Drift)))
		}
		drift.Curves = append(drift.Curves, c)
		c = Curve{Name: a.Name}
		for _, s := range a.Along {
			c.Points = append(c.Points, pointOf(s.Times, interval(s.Gradient)))
		}
		along.Curves = append(along.Curves, c)
		loss.Names, blocks.Names = append(loss.Names, a.Name), append(blocks.Names, a.Name)
		ends.Points = append(ends.Points, pointOf(float64(i), interval(a.Loss)))
		changes.Points = append(changes.Points, pointOf(float64(i), interval(a.Change)))
	}
	loss.Curves, blocks.Curves = []Curve{ends}, []Curve{changes}
	return []Figure{drift, loss, along, blocks}
}
