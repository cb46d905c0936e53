package claims

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"
)

var sphere = experiment(About{
	Name:  "sphere",
	Short: "are RMSNorm's outputs of one length, and standard?",
	Claim: "RMSNorm turns activations into vectors of one length, whose features have a standard distribution.",
	Method: "Small transformers are trained under RMSNorm and LayerNorm. On validation text, what each norm puts " +
		"out is divided by γ: the length of each token's vector, and mean, variance and second moment of each " +
		"feature over the tokens.",
	Rule: "One length: supported if, with eps set aside, all lengths are √C to one part in a million; refuted " +
		"otherwise. Standard: a feature is if its mean lies within ±0.1 and its variance within 10 % of 1; " +
		"supported if 95 % of the features at all norms are, refuted if fewer than half are, else it depends on " +
		"the norm's place. LayerNorm is judged beside it.",
	Literature: "Zhang & Sennrich 2019 (arXiv 1910.07467) claim the length alone. A row norm fixes the mean " +
		"square over a token's features; nothing fixes what one feature does over tokens.",
	Limits: "γ, which follows, gives each feature another size: after it vectors lie on an ellipsoid.",
}, 5, measureSphere, judgeSphere, drawSphere)

// sphereData is what the experiment measures, an element for each norm and kind of model.
type sphereData struct {
	Models []sphereModel `json:"models"`
}

// sphereModel describes the models of one norm; Places has an element for each of its norms.
type sphereModel struct {
	Norm   string        `json:"norm"`
	Places []spherePlace `json:"places"`
}

// spherePlace has an element for each seed.
type spherePlace struct {
	Name      string `json:"name"`
	OffSphere series `json:"off_sphere"` // largest |length/√C − 1|, eps set aside
	WithEps   series `json:"with_eps"`   // the same of what the layer computes
	Standard  series `json:"standard"`   // share of standard features
	Means     series `json:"means"`      // root mean square of the features' means
	Variances series `json:"variances"`  // of the features, of the first seed, sorted
}

func measureSphere(ctx context.Context, b *Bench) (d sphereData, err error) {
	text, err := defaultText()
	if err != nil {
		return d, err
	}
	of, err := b.plain(ctx, text, b.Seeds, "rms", "layer")
	if err != nil {
		return d, err
	}
	for _, kind := range []string{"rms", "layer"} {
		m := sphereModel{Norm: kind}
		for _, r := range of[kind] {
			model, err := r.model()
			if err != nil {
				return d, err
			}
			o, err := observe(model, text)
			if err != nil {
				return d, err
			}
			for i, n := range o.norms {
				if i == len(m.Places) {
					m.Places = append(m.Places, spherePlace{Name: strings.TrimPrefix(n.name, "transformer.")})
				}
				m.Places[i].add(n, kind == "layer")
			}
		}
		d.Models = append(d.Models, m)
	}
	return d, nil
}

// add measures one seed's model.
func (p *spherePlace) add(n normObservation, centred bool) {
	eps := 0x1p-23 // RMSNorm's default in float32
	if centred {
		eps = 1e-5
	}
	y := n.withoutGamma()
	off, withEps := 0.0, 0.0
	for i := range y.rows() {
		length := math.Sqrt(meanSquare(y.row(i), false)) // over √C
		short := math.Sqrt(1 + eps/meanSquare(n.in.row(i), centred))
		off, withEps = max(off, math.Abs(float64(length*short)-1)), max(withEps, math.Abs(length-1))
	}
	p.OffSphere, p.WithEps = append(p.OffSphere, off), append(p.WithEps, withEps)
	standard, means, variances := 0, 0.0, make([]float64, y.cols)
	for j := range y.cols {
		mean, variance := stat.PopMeanVariance(y.column(j), nil)
		means, variances[j] = means+float64(mean*mean), variance
		if math.Abs(mean) <= 0.1 && math.Abs(variance-1) <= 0.1 {
			standard++
		}
	}
	p.Standard = append(p.Standard, float64(standard)/float64(y.cols))
	p.Means = append(p.Means, math.Sqrt(means/float64(y.cols)))
	if p.Variances == nil {
		p.Variances = sorted(variances)
	}
}

func judgeSphere(d sphereData) (js []Judgement) {
	for _, m := range d.Models {
		off, eps := 0.0, 0.0
		var shares []float64
		for _, p := range m.Places {
			off, eps = max(off, slices.Max(p.OffSphere)), max(eps, slices.Max(p.WithEps))
			shares = append(shares, interval(p.Standard).Mean)
		}
		length := Judgement{
			Part: m.Norm + ": one length", Verdict: Supported, Effect: "largest |length/√C − 1|, eps set aside",
			Size:   Interval{Mean: off, Low: off, High: off, N: len(m.Places)},
			Reason: fmt.Sprintf("lengths are √C to %.2g; with eps, short vectors become shorter by up to %.2g", off, eps),
		}
		if off > 1e-6 {
			length.Verdict = Refuted
		}
		all := interval(sharesBySeed(m))
		standard := Judgement{
			Part: m.Norm + ": standard features", Verdict: Depends, Size: all,
			Effect: "share of features with mean 0 and variance 1 within 10 %",
			Reason: fmt.Sprintf("%.2g of all features are standard, from %.2g at one norm to %.2g at another",
				all.Mean, slices.Min(shares), slices.Max(shares)),
		}
		switch {
		case slices.Min(shares) >= 0.95:
			standard.Verdict = Supported
		case all.below(0.5):
			standard.Verdict = Refuted
		}
		js = append(js, length, standard)
	}
	return js
}

// sharesBySeed returns each seed's share of standard features over all norms.
func sharesBySeed(m sphereModel) []float64 {
	var mean []float64
	for s := range m.Places[0].Standard {
		sum := 0.0
		for _, p := range m.Places {
			sum += p.Standard[s]
		}
		mean = append(mean, sum/float64(len(m.Places)))
	}
	return mean
}

func drawSphere(d sphereData) []Figure {
	f := Figure{
		Title: "Share of features with mean 0 and variance 1, at each norm", Y: "share", Levels: []Level{{"all", 1}},
	}
	last := Figure{
		Title: "Variance of each feature over tokens, before the last norm", X: "feature, sorted", Y: "variance",
		LogY: true, Levels: []Level{{"standard", 1}},
	}
	for _, m := range d.Models {
		c := Curve{Name: m.Norm, Dots: true}
		for i, p := range m.Places {
			if len(f.Names) < len(m.Places) {
				f.Names = append(f.Names, p.Name)
			}
			c.Points = append(c.Points, pointOf(float64(i), interval(p.Standard)))
		}
		f.Curves = append(f.Curves, c)
		v := Curve{Name: m.Norm}
		for j, variance := range m.Places[len(m.Places)-1].Variances {
			v.Points = append(v.Points, Point{X: float64(j + 1), Y: variance, Low: variance, High: variance})
		}
		last.Curves = append(last.Curves, v)
	}
	return []Figure{f, last}
}
