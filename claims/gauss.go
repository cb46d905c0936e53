package claims

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"gonum.org/v1/gonum/stat"

	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

var gauss = experiment(About{
	Name:  "gauss",
	Short: "do activations become Gaussian with depth?",
	Claim: "Because residual connections add many terms, activations become Gaussian with depth.",
	Method: "The residual stream of 24 blocks is looked at after the embedding and after each block, before and " +
		"after training, with embeddings drawn from a Gaussian, Rademacher (±1), Laplace and t₅ distribution of " +
		"one variance. Measured are the excess kurtosis of all activations, their variance, and for how many " +
		"tokens the Jarque–Bera test at 5 % rejects that the token's features are Gaussian.",
	Rule: "Before training: refuted if for an embedding the mean kurtosis at some depth is not within 0.15 of " +
		"κ₀·(σ₀²/σ²)², which independent Gaussian terms give. Else supported if it ends below a quarter of κ₀ " +
		"wherever |κ₀| is above 0.3; else it depends on how large the branches are beside the embedding. After " +
		"training: supported if the share of rejections falls from the first block to the last (95 % interval of " +
		"the difference, over seeds and embeddings), refuted if it rises, else undecided.",
	Literature: "Sums of many independent terms are Gaussian by the central limit theorem. Trained transformers " +
		"are known for a few features of outlying size (Dettmers et al. 2022, arXiv 2208.07339), which are " +
		"anything but.",
	Limits: "The terms of a residual stream are neither many in each feature nor independent after training. " +
		"Where the first block alone makes the stream Gaussian, it is not their number that does it.",
}, 400, measureGauss, judgeGauss, drawGauss)

// gaussData is what the experiment measures.
type gaussData struct {
	Embeddings []gaussEmbedding `json:"embeddings"`
}

// gaussEmbedding has an element for each depth, from the embedding on.
type gaussEmbedding struct {
	Name    string       `json:"name"`
	Initial []gaussDepth `json:"initial"`
	Trained []gaussDepth `json:"trained"`
}

// gaussDepth has an element for each seed.
type gaussDepth struct {
	Skewness series `json:"skewness"`
	Kurtosis series `json:"excess_kurtosis"`
	Variance series `json:"variance"`
	Rejected series `json:"rejected"` // share of the tokens
}

// embeddings draw numbers of mean 0 and variance 1.
var embeddings = []struct {
	name string
	draw func(*rand.Rand) float64
}{
	{"Gaussian", (*rand.Rand).NormFloat64},
	{"Rademacher", func(r *rand.Rand) float64 { return float64(2*r.IntN(2) - 1) }},
	{"Laplace", func(r *rand.Rand) float64 { return r.ExpFloat64() * float64(2*r.IntN(2)-1) / math.Sqrt2 }},
	{"t5", func(r *rand.Rand) float64 { // a normal over √(χ²/5), whose variance is 5/3
		chi := 0.0
		for range 5 {
			v := r.NormFloat64()
			chi += float64(v * v)
		}
		return r.NormFloat64() / math.Sqrt(chi/5) / math.Sqrt(5.0/3)
	}},
}

func measureGauss(ctx context.Context, b *Bench) (d gaussData, err error) {
	text, err := defaultText()
	if err != nil {
		return d, err
	}
	for i, e := range embeddings {
		g := gaussEmbedding{Name: e.name}
		for k, seed := range b.Seeds {
			b.part(
				(float64(i)+float64(k)/float64(len(b.Seeds)))/float64(len(embeddings)),
				fmt.Sprintf("%s embedding, seed %d", e.name, seed),
			)
			c, initial, err := b.startFromEmbedding(text, e.name, e.draw, seed)
			if err != nil {
				return d, err
			}
			if g.Initial, err = appendDepths(g.Initial, initial, text); err != nil {
				return d, err
			}
			runs, err := b.quiet().train(
				ctx, filepath.Join("gauss", fmt.Sprintf("%s-%d", e.name, seed)), text, []runlog.Config{c},
			)
			if err != nil {
				return d, err
			}
			model, err := runs[0].model()
			if err != nil {
				return d, err
			}
			if g.Trained, err = appendDepths(g.Trained, model, text); err != nil {
				return d, err
			}
		}
		d.Embeddings = append(d.Embeddings, g)
	}
	return d, nil
}

// startFromEmbedding returns the config of a run whose embeddings are drawn from a
// distribution, and the model that it starts from, which it writes to a file.
func (b *Bench) startFromEmbedding(
	text *train.Corpus, name string, draw func(*rand.Rand) float64, seed uint64,
) (c runlog.Config, m *transformer.Model, err error) {
	c = b.small()
	c.Layers, c.Steps, c.Seed = pick(b, 4, 24), pick(b, 6, 120), seed
	c.Warmup, c.EvalEvery, c.ProbeEvery = c.Steps/10, c.Steps, 0
	if m, _, err = train.InitialModel(c, text); err != nil {
		return c, m, err
	}
	rng := random(seed, "embedding "+name)
	for _, w := range m.Learnables()[:2] { // wte and wpe
		data := w.Value().Data().([]float32)
		for i := range data {
			data[i] = float32(0.02 * draw(rng))
		}
	}
	path := filepath.Join(b.Dir, "start", fmt.Sprintf("%s-%d-%d.safetensors", name, c.Layers, seed))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return c, m, err
	}
	if err := runlog.WriteFile(path, func(w io.Writer) error { return m.Save(w) }); err != nil {
		return c, m, err
	}
	c, err = train.StartFrom(c, path, "")
	return c, m, err
}

// appendDepths measures one model's residual stream and adds it to those of other seeds.
func appendDepths(depths []gaussDepth, m *transformer.Model, text *train.Corpus) ([]gaussDepth, error) {
	o, err := observe(m, text)
	if err != nil {
		return nil, err
	}
	for i, x := range o.residual {
		if i == len(depths) {
			depths = append(depths, gaussDepth{})
		}
		all, d := shapeOf(x.data), &depths[i]
		rejected := 0
		for r := range x.rows() {
			if jarqueBera(shapeOf(x.row(r)), x.cols) < 0.05 {
				rejected++
			}
		}
		_, variance := stat.PopMeanVariance(x.data, nil)
		d.Skewness, d.Kurtosis = append(d.Skewness, all.Skewness), append(d.Kurtosis, all.Kurtosis)
		d.Variance = append(d.Variance, variance)
		d.Rejected = append(d.Rejected, float64(rejected)/float64(x.rows()))
	}
	return depths, nil
}

// predicted returns the mean kurtosis that a stream has at a depth to which independent
// Gaussian terms have been added since the embedding.
func (g gaussEmbedding) predicted(depth int) float64 {
	var k []float64
	for s, k0 := range g.Initial[0].Kurtosis {
		ratio := g.Initial[0].Variance[s] / g.Initial[depth].Variance[s]
		k = append(k, k0*ratio*ratio)
	}
	return stat.Mean(k, nil)
}

func judgeGauss(d gaussData) []Judgement {
	return []Judgement{judgeGaussInitial(d), judgeGaussTrained(d)}
}

func judgeGaussInitial(d gaussData) Judgement {
	const near, clear, quarter, small = 0.15, 0.3, 0.25, 0.1
	j := Judgement{
		Part: "before training", Verdict: Supported, Effect: "excess kurtosis after the last block, Laplace embedding",
	}
	var reasons []string
	for _, g := range d.Embeddings {
		last := len(g.Initial) - 1
		first, end := interval(g.Initial[0].Kurtosis), interval(g.Initial[last].Kurtosis)
		if g.Name == "Laplace" {
			j.Size = end
		}
		small := slices.IndexFunc(
			g.Initial, func(d gaussDepth) bool { return math.Abs(stat.Mean(d.Kurtosis, nil)) < small },
		)
		from := "never below 0.1"
		if small >= 0 {
			from = fmt.Sprintf("below 0.1 at block %d", small)
		}
		for l, depth := range g.Initial {
			if !(math.Abs(stat.Mean(depth.Kurtosis, nil)-g.predicted(l)) <= near) {
				j.Verdict = Refuted
			}
		}
		if math.Abs(first.Mean) > clear && !(math.Abs(end.Mean) < quarter*math.Abs(first.Mean)) && j.Verdict != Refuted {
			j.Verdict = Depends
		}
		reasons = append(reasons, fmt.Sprintf("%s: κ %.2f at the embedding, %.2f after the last block (predicted %.2f), %s",
			g.Name, first.Mean, end.Mean, g.predicted(last), from))
	}
	j.Reason = sentence(reasons)
	return j
}

func judgeGaussTrained(d gaussData) Judgement {
	j := Judgement{
		Part: "after training", Verdict: Undecided,
		Effect: "rejections after the last block less those after the first, as a share of tokens",
	}
	var rise []float64
	var first, last []float64
	for _, g := range d.Embeddings {
		a, z := g.Trained[1].Rejected, g.Trained[len(g.Trained)-1].Rejected
		rise = append(rise, differences(z, a)...)
		first, last = append(first, a...), append(last, z...)
	}
	j.Size = interval(rise)
	j.Reason = fmt.Sprintf(
		"the test rejects %.2g of the tokens after the first block, %.2g after the last", stat.Mean(first, nil),
		stat.Mean(last, nil),
	)
	switch {
	case j.Size.below(0):
		j.Verdict = Supported
	case j.Size.above(0):
		j.Verdict = Refuted
	}
	return j
}

func drawGauss(d gaussData) []Figure {
	k := Figure{
		Title: "Excess kurtosis of the residual stream before training", X: "block", Y: "excess kurtosis",
		Levels: []Level{{"Gaussian", 0}},
	}
	r := Figure{
		Title: "Tokens whose features are not Gaussian (Jarque–Bera, 5 %), after training", X: "block",
		Y: "share of tokens", Levels: []Level{{"Gaussian", 0.05}},
	}
	for _, g := range d.Embeddings {
		a, z := Curve{Name: g.Name}, Curve{Name: g.Name}
		for l := range g.Initial {
			a.Points = append(a.Points, pointOf(float64(l), interval(g.Initial[l].Kurtosis)))
			z.Points = append(z.Points, pointOf(float64(l), interval(g.Trained[l].Rejected)))
		}
		k.Curves, r.Curves = append(k.Curves, a), append(r.Curves, z)
	}
	return []Figure{k, r}
}
