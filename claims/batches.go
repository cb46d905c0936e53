package claims

import (
	"context"
	"fmt"
	"slices"

	"gorgonorm/runlog"
)

var batches = experiment(About{
	Name:  "batches",
	Short: "does BatchNorm need mixed batches?",
	Claim: "BatchNorm needs batches that look like the data set.",
	Method: "Small transformers learn a text of four domains that come with Go: Go, assembly, HTML and English. " +
		"Under BatchNorm, LayerNorm and RMSNorm, they see the same windows in mixed batches, drawn at random from " +
		"all of the text, or in batches of one domain each, in random order. The validation text has all domains " +
		"in equal parts. Models with BatchNorm are evaluated with their running statistics, with statistics " +
		"recomputed over many training batches (PreciseBN), and with statistics recomputed for each domain on its " +
		"own training text.",
	Rule: "The gap of a norm is the validation loss after one-domain batches less that after mixed batches, with " +
		"the same seed. Supported if BatchNorm's gap is larger than LayerNorm's in every seed, of at least five; " +
		"refuted if it is so in none; else undecided. Repair: a kind of statistics closes at least half of " +
		"BatchNorm's gap if the loss with them after one-domain batches, less that after mixed batches with " +
		"running statistics, is below half of the gap (95 % interval of the difference over the seeds), and does " +
		"not if it is above. Supported if both recomputed and per-domain statistics do, refuted if neither does, " +
		"depends if one does and the other does not; undecided otherwise, and where BatchNorm's gap is not above 0 " +
		"(95 % interval).",
	Literature: "Wu & Johnson 2021 (arXiv 2105.07576) describe how the statistics of training batches and those " +
		"of inference come apart, PreciseBN, and domain-specific statistics.",
	Limits: "One model, one learning rate, four domains of 150 kB. The few windows that are left over when a " +
		"domain fills no other batch form up to three mixed batches. Per-domain statistics take the domain of each " +
		"validation window as known.",
}, 200, measureBatches, judgeBatches, drawBatches)

// batchesData is what the experiment measures.
type batchesData struct {
	Norms []batchesNorm `json:"norms"`
}

// batchesNorm has validation losses under one norm.
type batchesNorm struct {
	Norm      string        `json:"norm"`
	Mixed     batchesLosses `json:"mixed"`
	OneDomain batchesLosses `json:"one_domain"`
}

// batchesLosses are losses with running, recomputed and per-domain statistics, an element for
// each seed; nil for what was not measured.
type batchesLosses struct {
	Running  series `json:"running"`
	Precise  series `json:"recomputed,omitempty"`
	ByDomain series `json:"per_domain,omitempty"`
}

func measureBatches(ctx context.Context, b *Bench) (d batchesData, err error) {
	of, err := b.ordered(ctx, "", runlog.OneDomain)
	if err != nil {
		return d, err
	}
	for _, norm := range orderedNorms {
		mixed, oneDomain := batchesLossesOf(of[norm][""]), batchesLossesOf(of[norm][runlog.OneDomain])
		d.Norms = append(d.Norms, batchesNorm{norm, mixed, oneDomain})
	}
	return d, nil
}

func batchesLossesOf(runs []trained) batchesLosses {
	l := batchesLosses{Running: validation(runs)}
	for _, r := range runs {
		if v := r.Summary.PreciseVal; v != nil {
			l.Precise = append(l.Precise, float64(*v))
		}
		if v := r.Summary.DomainStatisticsVal; v != nil {
			l.ByDomain = append(l.ByDomain, float64(*v))
		}
	}
	return l
}

// gap returns the loss after one-domain batches less that after mixed ones, seed by seed.
func (n batchesNorm) gap() []float64 { return differences(n.OneDomain.Running, n.Mixed.Running) }

// of returns the losses under a norm.
func (d batchesData) of(norm string) batchesNorm {
	return d.Norms[slices.IndexFunc(d.Norms, func(n batchesNorm) bool { return n.Norm == norm })]
}

func judgeBatches(d batchesData) []Judgement {
	return []Judgement{judgeInteraction(d), judgeRepair(d.of("batch"))}
}

func judgeInteraction(d batchesData) Judgement {
	const fewest = 5 // seeds
	interaction := differences(d.of("batch").gap(), d.of("layer").gap())
	i := interval(interaction)
	larger := 0
	for _, v := range interaction {
		if v > 0 {
			larger++
		}
	}
	reasons := []string{fmt.Sprintf("BatchNorm's gap is the larger one in %d of %d seeds", larger, i.N)}
	for _, n := range d.Norms {
		reasons = append(reasons, fmt.Sprintf("%s's gap is %s", n.Norm, nats(interval(n.gap()))))
	}
	j := Judgement{Part: "one-domain batches hurt it most", Verdict: Undecided, Reason: sentence(reasons),
		Effect: "BatchNorm's gap between one-domain and mixed batches less LayerNorm's, nats", Size: i}
	switch {
	case i.N < fewest:
	case larger == i.N:
		j.Verdict = Supported
	case larger == 0:
		j.Verdict = Refuted
	}
	return j
}

func judgeRepair(n batchesNorm) Judgement {
	gap := n.gap()
	j := Judgement{Part: "other statistics repair it", Verdict: Undecided,
		Effect: "BatchNorm's gap between one-domain and mixed batches, nats", Size: interval(gap)}
	if !j.Size.above(0) {
		j.Reason = "there is no gap to close: " + nats(j.Size)
		return j
	}
	closing, not := 0, 0
	var reasons []string
	for k, s := range []struct {
		name   string
		losses []float64
	}{{"recomputed", n.OneDomain.Precise}, {"per-domain", n.OneDomain.ByDomain}} {
		if len(s.losses) != len(gap) {
			reasons = append(reasons, s.name+" statistics were not measured")
			continue
		}
		left := differences(s.losses, n.Mixed.Running)
		closed, beyond := make([]float64, len(gap)), make([]float64, len(gap))
		for i := range gap {
			closed[i], beyond[i] = 1-left[i]/gap[i], left[i]-float64(gap[i]/2)
		}
		i := interval(closed)
		if k == 0 {
			j.Effect, j.Size = "share of BatchNorm's gap that recomputed statistics close", i
		}
		reasons = append(reasons, fmt.Sprintf("%s statistics close %.0f %% of the gap (%.0f to %.0f)",
			s.name, 100*i.Mean, 100*i.Low, 100*i.High))
		switch b := interval(beyond); {
		case b.below(0):
			closing++
		case b.above(0):
			not++
		}
	}
	switch {
	case closing == 2:
		j.Verdict = Supported
	case not == 2:
		j.Verdict = Refuted
	case closing == 1 && not == 1:
		j.Verdict = Depends
	}
	j.Reason = sentence(reasons)
	return j
}

func drawBatches(d batchesData) []Figure {
	f := Figure{Title: "Validation loss after one-domain batches less that after mixed batches with running statistics",
		Y: "nats", Levels: []Level{{"equal", 0}}}
	c := Curve{Dots: true}
	add := func(name string, losses, mixed []float64) {
		if len(losses) == len(mixed) {
			c.Points = append(c.Points, pointOf(float64(len(f.Names)), interval(differences(losses, mixed))))
			f.Names = append(f.Names, name)
		}
	}
	for _, n := range d.Norms {
		add(n.Norm, n.OneDomain.Running, n.Mixed.Running)
		if n.Norm == "batch" {
			add("recomputed", n.OneDomain.Precise, n.Mixed.Running)
			add("per domain", n.OneDomain.ByDomain, n.Mixed.Running)
		}
	}
	f.Curves = []Curve{c}
	return []Figure{f}
}
