package claims

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
	"gorgonorm/train"
)

var shapeClaim = experiment(About{
	Name:  "shape",
	Short: "does LayerNorm change a distribution's shape?",
	Claim: "LayerNorm does not change the shape of a row's feature distribution.",
	Method: "Rows of 64 features pass a LayerNorm without γ and β: stretches of a real text as character codes, " +
		"and Gaussian, Laplace and exponential numbers. Skewness and excess kurtosis are compared before and " +
		"after, and also in trained transformers, whose γ is not 1. Then LayerNorm as a map over samples: two " +
		"networks, Linear → Linear and Linear → LayerNorm → Linear, are trained alike on XOR and on 32 points with " +
		"random labels.",
	Rule: "Supported for each row if skewness and kurtosis agree to 1e-9 in float64; refuted otherwise. For the " +
		"map over samples, refuted if with LayerNorm the network classifies all points of XOR in every seed, which " +
		"no linear network can (3 of 4 at most); supported if it stays at 3 of 4 in every seed; else undecided.",
	Literature: "Ni et al. 2024 (arXiv 2406.01255) prove that linear layers with LayerNorm, and nothing else " +
		"that is nonlinear, can classify any labels.",
	Limits: "A trained γ is an element for each feature and does change the shape; that is γ's doing, not the " +
		"normalization's.",
}, 80, measureShape, judgeShape, drawShape)

// shapeData is what the experiment measures.
type shapeData struct {
	Rows    []rowShapes    `json:"rows"`
	Labels  []separability `json:"labels"`
	Example [2]series      `json:"example"` // a row of text before and after, sorted
	Gamma   gammaShapes    `json:"trained_gamma"`
}

// gammaShapes are mean absolute changes from a norm's input to its output, over the tokens and
// norms of trained models, an element for each seed.
type gammaShapes struct {
	Skewness series `json:"skewness"`
	Kurtosis series `json:"excess_kurtosis"`
}

// rowShapes are the largest differences over the rows of one kind, and their mean shape.
type rowShapes struct {
	Kind       string  `json:"kind"`
	Before     shape   `json:"before"`
	Difference float64 `json:"largest_difference"`
}

// separability is the share of points that are classified rightly, an element a seed.
type separability struct {
	Task   string `json:"task"`
	Linear series `json:"linear"`
	Normed series `json:"layernorm"`
}

const rowFeatures = 64

func measureShape(ctx context.Context, b *Bench) (d shapeData, err error) {
	text, err := defaultText()
	if err != nil {
		return d, err
	}
	for _, k := range rowKinds(text) {
		rows := pick(b, 64, 1024)
		x := make([]float64, rows*rowFeatures)
		k.fill(x, random(b.Seeds[0], "rows of "+k.name))
		y, err := normalizeRows(x)
		if err != nil {
			return d, err
		}
		s := rowShapes{Kind: k.name}
		for i := range rows {
			row, normed := x[i*rowFeatures:][:rowFeatures], y[i*rowFeatures:][:rowFeatures]
			before, after := shapeOf(row), shapeOf(normed)
			s.Before.Skewness += before.Skewness / float64(rows)
			s.Before.Kurtosis += before.Kurtosis / float64(rows)
			s.Difference = max(
				s.Difference, math.Abs(after.Skewness-before.Skewness), math.Abs(after.Kurtosis-before.Kurtosis),
			)
		}
		if d.Rows = append(d.Rows, s); len(d.Rows) == 1 {
			d.Example = [2]series{sorted(x[:rowFeatures]), sorted(y[:rowFeatures])}
		}
	}
	if d.Gamma, err = measureGamma(ctx, b, text); err != nil {
		return d, err
	}
	for _, t := range []struct {
		name   string
		points func(*rand.Rand) points
	}{{"XOR", xor}, {"random labels", randomLabels}} {
		s := separability{Task: t.name}
		for _, seed := range b.Seeds {
			p := t.points(random(seed, t.name))
			for _, normed := range []bool{false, true} {
				accuracy, err := classify(ctx, p, normed, pick(b, 300, 2000), seed)
				if err != nil {
					return d, err
				}
				if normed {
					s.Normed = append(s.Normed, accuracy)
				} else {
					s.Linear = append(s.Linear, accuracy)
				}
			}
		}
		d.Labels = append(d.Labels, s)
	}
	return d, nil
}

// measureGamma compares the inputs and outputs of trained LayerNorms with γ.
func measureGamma(ctx context.Context, b *Bench, text *train.Corpus) (g gammaShapes, err error) {
	of, err := b.plain(ctx, text, b.Seeds, "rms", "layer")
	if err != nil {
		return g, err
	}
	for _, r := range of["layer"] {
		model, err := r.model()
		if err != nil {
			return g, err
		}
		o, err := observe(model, text)
		if err != nil {
			return g, err
		}
		skewness, kurtosis, rows := 0.0, 0.0, 0.0
		for _, n := range o.norms {
			for i := range n.in.rows() {
				before, after := shapeOf(n.in.row(i)), shapeOf(n.out.row(i))
				skewness += math.Abs(after.Skewness - before.Skewness)
				kurtosis += math.Abs(after.Kurtosis - before.Kurtosis)
				rows++
			}
		}
		g.Skewness, g.Kurtosis = append(g.Skewness, skewness/rows), append(g.Kurtosis, kurtosis/rows)
	}
	return g, nil
}

// rowKind fills rows with numbers of one kind.
type rowKind struct {
	name string
	fill func(x []float64, rng *rand.Rand)
}

func rowKinds(text *train.Corpus) []rowKind {
	each := func(draw func(*rand.Rand) float64) func([]float64, *rand.Rand) {
		return func(x []float64, rng *rand.Rand) {
			for i := range x {
				x[i] = draw(rng)
			}
		}
	}
	return []rowKind{
		{"text", func(x []float64, rng *rand.Rand) {
			for i := 0; i < len(x); i += rowFeatures {
				at := rng.IntN(len(text.Train) - rowFeatures)
				for j := range rowFeatures {
					x[i+j] = float64(text.Vocabulary[text.Train[at+j]])
				}
			}
		}},
		{"Gaussian", each(func(r *rand.Rand) float64 { return r.NormFloat64() })},
		{"Laplace", each(func(r *rand.Rand) float64 { return r.ExpFloat64() * float64(2*r.IntN(2)-1) })},
		{"exponential", each(func(r *rand.Rand) float64 { return r.ExpFloat64() })},
	}
}

// normalizeRows returns the rows through a LayerNorm without γ and β.
func normalizeRows(x []float64) ([]float64, error) {
	g := G.NewGraph()
	n := constantMatrix(g, "x", len(x)/rowFeatures, rowFeatures, x)
	norm, err := layers.NewLayerNorm(g, rowFeatures, layers.WithoutAffine(), layers.WithDtype(tensor.Float64))
	if err != nil {
		return nil, err
	}
	y, err := norm.Forward(n)
	if err != nil {
		return nil, err
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return nil, err
	}
	return y.Value().Data().([]float64), nil
}

// points are rows of features with labels of ±1.
type points struct {
	features int
	x, label []float64
}

func xor(*rand.Rand) points {
	return points{features: 2, x: []float64{-1, -1, -1, 1, 1, -1, 1, 1}, label: []float64{-1, 1, 1, -1}}
}

func randomLabels(rng *rand.Rand) points {
	const n, features = 32, 8
	p := points{features: features}
	for range n * features {
		p.x = append(p.x, rng.NormFloat64())
	}
	for range n {
		p.label = append(p.label, float64(2*rng.IntN(2)-1))
	}
	return p
}

// classify trains Linear → Linear, or with a LayerNorm between them, on all points at once,
// by the logistic loss, and returns the share that it classifies rightly at the end.
func classify(ctx context.Context, p points, normed bool, steps int, seed uint64) (float64, error) {
	g := G.NewGraph()
	net, err := newClassifier(g, p.features, normed, seed)
	if err != nil {
		return 0, err
	}
	z := constantMatrix(g, "x", len(p.label), p.features, p.x)
	for _, l := range net {
		if z, err = l.Forward(z); err != nil {
			return 0, err
		}
	}
	margin := G.Must(G.HadamardProd(z, constantMatrix(g, "label", len(p.label), 1, p.label)))
	loss := G.Must(G.Mean(G.Must(G.Softplus(G.Must(G.Neg(margin))))))
	learnables := net.Learnables()
	if _, err := G.Grad(loss, learnables...); err != nil {
		return 0, err
	}
	vm := G.NewTapeMachine(g, G.BindDualValues(learnables...))
	defer vm.Close()
	solver := train.NewAdamW(1e-2, 0.9, 0.999, 0)
	for step := range steps + 1 {
		if err := cmp.Or(ctx.Err(), vm.RunAll()); err != nil {
			return 0, err
		}
		if step == steps { // the last run is of the trained weights
			break
		}
		if err := solver.Step(G.NodesToValueGrads(learnables)); err != nil {
			return 0, err
		}
		vm.Reset()
	}
	right := 0
	for _, m := range margin.Value().Data().([]float64) {
		if m > 0 {
			right++
		}
	}
	return float64(right) / float64(len(p.label)), nil
}

// newClassifier returns Linear → Linear with one output, or with a LayerNorm between them.
func newClassifier(g *G.ExprGraph, features int, normed bool, seed uint64) (net layers.Stack, err error) {
	const hidden = 64
	linear := func(name string, in, out int) {
		init := layers.Normal(rand.NewPCG(seed, hash(name)), 1/math.Sqrt(float64(in)))
		l, e := layers.NewLinear(g, in, out, init, layers.WithName(name), layers.WithDtype(tensor.Float64))
		net, err = append(net, l), cmp.Or(err, e)
	}
	linear("first", features, hidden)
	if normed {
		norm, e := layers.NewLayerNorm(g, hidden, layers.WithName("norm"), layers.WithDtype(tensor.Float64))
		net, err = append(net, norm), cmp.Or(err, e)
	}
	linear("second", hidden, 1)
	return net, err
}

func constantMatrix(g *G.ExprGraph, name string, rows, cols int, data []float64) *G.Node {
	t := tensor.New(tensor.WithShape(rows, cols), tensor.WithBacking(data))
	return G.NewMatrix(g, tensor.Float64, G.WithShape(rows, cols), G.WithName(name), G.WithValue(t))
}

func judgeShape(d shapeData) []Judgement {
	const rounding = 1e-9
	row := Judgement{
		Part: "for each row by itself", Verdict: Supported, Effect: "largest change of skewness or kurtosis",
	}
	largest := 0.0
	for _, r := range d.Rows {
		if largest = max(largest, r.Difference); !(r.Difference <= rounding) {
			row.Verdict = Refuted
		}
	}
	row.Size = Interval{Mean: largest, Low: largest, High: largest, N: len(d.Rows)}
	row.Reason = fmt.Sprintf(
		"over rows of text, Gaussian, Laplace and exponential numbers neither changes by more than %.2g; a trained γ "+
			"changes a token's skewness by %.2g and its kurtosis by %.2g on average",
		largest, interval(d.Gamma.Skewness).Mean, interval(d.Gamma.Kurtosis).Mean,
	)
	return []Judgement{row, judgeMap(d)}
}

func judgeMap(d shapeData) Judgement {
	j := Judgement{
		Part: "as a map over samples", Verdict: Undecided,
		Effect: "share of XOR's points classified rightly with LayerNorm",
	}
	for _, s := range d.Labels {
		linear, normed := interval(s.Linear), interval(s.Normed)
		if j.Reason != "" {
			j.Reason += "; "
		}
		j.Reason += fmt.Sprintf("%s: %.3g of the points without LayerNorm, %.3g with it", s.Task, linear.Mean, normed.Mean)
		if s.Task != "XOR" {
			continue
		}
		j.Size = normed
		all, none := true, true
		for _, a := range s.Normed {
			all, none = all && a == 1, none && a <= 0.75
		}
		switch {
		case len(s.Normed) < 2:
		case all:
			j.Verdict = Refuted
		case none:
			j.Verdict = Supported
		}
	}
	return j
}

func drawShape(d shapeData) []Figure {
	rank := Figure{
		Title: "A row of text, sorted, before and after: a line moved and stretched", X: "before (character codes)",
		Y: "after",
	}
	c := Curve{Dots: true}
	for i, v := range d.Example[0] {
		c.Points = append(c.Points, Point{X: v, Y: d.Example[1][i], Low: d.Example[1][i], High: d.Example[1][i]})
	}
	rank.Curves = []Curve{c}
	labels := Figure{Title: "Points classified rightly", Y: "share", Levels: []Level{{"all", 1}}}
	linear, normed := Curve{Name: "Linear → Linear", Dots: true}, Curve{Name: "with LayerNorm", Dots: true}
	for i, s := range d.Labels {
		labels.Names = append(labels.Names, s.Task)
		linear.Points = append(linear.Points, pointOf(float64(i), interval(s.Linear)))
		normed.Points = append(normed.Points, pointOf(float64(i), interval(s.Normed)))
	}
	labels.Curves = []Curve{linear, normed}
	return []Figure{rank, labels}
}
