package claims

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
	"gorgonorm/models/transformer"
)

var samples = experiment(About{
	Name:  "samples",
	Short: "does a row depend on the other rows?",
	Claim: "BatchNorm normalizes across samples, LayerNorm and RMSNorm across features: only BatchNorm makes one " +
		"sample's output depend on the others.",
	Method: "A sample of 64 features passes a norm in training mode, first among some samples, then among fresh " +
		"ones. Its output and its gradient are compared bit by bit, for batches of 2 to 256. Then the price: in a " +
		"network of 20 layers Linear → norm → ReLU, of width 256 at a batch of 64, how much the squared gradient " +
		"grows from a layer to the one before it.",
	Rule: "The first part is supported if LayerNorm's and RMSNorm's outputs and gradients do not change in a " +
		"single bit, and BatchNorm's change at every batch size, less at the largest than at the smallest; refuted " +
		"if a row norm's change or BatchNorm's do not. The second part is supported if the 95 % interval of the " +
		"growth lies within 5 % of π/(π−1) ≈ 1.467 for BatchNorm and within 5 % of 1 for LayerNorm; refuted if one " +
		"lies outside altogether.",
	Literature: "Yang et al. 2019 (arXiv 1902.08129) derive π/(π−1) per layer for BatchNorm with ReLU, as the " +
		"width and the batch grow without bound.",
	Limits: "The network has norms and no skip connections. With them, as in a transformer, gradients need not " +
		"explode.",
}, 10, measureSamples, judgeSamples, drawSamples)

// sampleData is what the experiment measures.
type sampleData struct {
	Sizes  []int             `json:"batch_sizes"`
	Others []othersInfluence `json:"others"`
	Growth []gradientGrowth  `json:"growth"`
}

// othersInfluence is how far one row's output and gradient move when all other rows change:
// ‖change‖/‖value‖, an element for each seed of each batch size. It is 0 only if no bit changes.
type othersInfluence struct {
	Norm     string   `json:"norm"`
	Output   []series `json:"output"`
	Gradient []series `json:"gradient"`
}

// gradientGrowth is the growth of the squared gradient per layer, an element for each seed.
type gradientGrowth struct {
	Norm   string `json:"norm"`
	Growth series `json:"growth"`
}

// arm is a kind of norm under test.
type arm struct {
	name string
	make func(g *G.ExprGraph, name string, features int) (layers.Layer, error)
}

func armOf(name string) arm {
	return arm{name, func(g *G.ExprGraph, label string, features int) (layers.Layer, error) {
		n, err := transformer.NormByName(name)
		if err != nil {
			return nil, err
		}
		return n.New(g, label, features, true)
	}}
}

func measureSamples(ctx context.Context, b *Bench) (sampleData, error) {
	return measureSamplesOf(ctx, b, []arm{armOf("batch"), armOf("layer"), armOf("rms")})
}

func measureSamplesOf(ctx context.Context, b *Bench, arms []arm) (sampleData, error) {
	d := sampleData{Sizes: pick(b, []int{2, 8, 32}, []int{2, 4, 8, 16, 32, 64, 128, 256})}
	for _, a := range arms {
		o := othersInfluence{Norm: a.name}
		for _, n := range d.Sizes {
			var outputs, gradients []float64
			for _, seed := range b.Seeds {
				if err := ctx.Err(); err != nil {
					return d, err
				}
				output, gradient, err := influence(a, n, seed)
				if err != nil {
					return d, err
				}
				outputs, gradients = append(outputs, output), append(gradients, gradient)
			}
			o.Output, o.Gradient = append(o.Output, outputs), append(o.Gradient, gradients)
		}
		d.Others = append(d.Others, o)
	}
	for _, a := range append(arms, armOf("none")) {
		g := gradientGrowth{Norm: a.name}
		for _, seed := range b.Seeds {
			if err := ctx.Err(); err != nil {
				return d, err
			}
			growth, err := growthOf(a, pick(b, mlp{8, 64, 32, 2}, mlp{20, 256, 64, 4}), seed)
			if err != nil {
				return d, err
			}
			g.Growth = append(g.Growth, growth)
		}
		d.Growth = append(d.Growth, g)
	}
	return d, nil
}

// influence returns how far the output and the gradient of the first of n rows move when
// all others are drawn anew.
func influence(a arm, n int, seed uint64) (output, gradient float64, err error) {
	const features = 64
	g := G.NewGraph()
	x, data := gaussian(g, "x", n, features, random(seed, "rows"))
	upstream, _ := gaussian(g, "upstream", n, features, random(seed, "upstream"))
	norm, err := a.make(g, "norm", features)
	if err != nil {
		return 0, 0, err
	}
	y, err := norm.Forward(x)
	if err != nil {
		return 0, 0, err
	}
	cost, err := G.Sum(G.Must(G.HadamardProd(y, upstream)))
	if err != nil {
		return 0, 0, err
	}
	grads, err := G.Grad(cost, x)
	if err != nil {
		return 0, 0, err
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	var rows [2][2][]float32 // of each run, of output and gradient
	others := random(seed, "others")
	for i := range rows {
		if i == 1 {
			for j := features; j < len(data); j++ {
				data[j] = float32(others.NormFloat64())
			}
		}
		if err := vm.RunAll(); err != nil {
			return 0, 0, err
		}
		for k, node := range []*G.Node{y, grads[0]} {
			all := node.Value().Data().([]float32)
			rows[i][k] = append(rows[i][k], all[:features]...)
		}
		vm.Reset()
	}
	return change(rows[0][0], rows[1][0]), change(rows[0][1], rows[1][1]), nil
}

// change returns ‖b−a‖/‖a‖. It is 0 only if all bits are the same.
func change(a, b []float32) float64 {
	var moved, size float64
	same := true
	for i := range a {
		same = same && math.Float32bits(a[i]) == math.Float32bits(b[i])
		d := float64(b[i]) - float64(a[i])
		moved += float64(d * d)
		size += float64(float64(a[i]) * float64(a[i]))
	}
	if same {
		return 0
	}
	return max(math.Sqrt(moved/size), math.SmallestNonzeroFloat64)
}

// gaussian adds a matrix of normal numbers to the graph and returns it with its memory.
func gaussian(g *G.ExprGraph, name string, rows, cols int, rng *rand.Rand) (*G.Node, []float32) {
	data := make([]float32, rows*cols)
	for i := range data {
		data[i] = float32(rng.NormFloat64())
	}
	t := tensor.New(tensor.WithShape(rows, cols), tensor.WithBacking(data))
	return G.NewMatrix(g, tensor.Float32, G.WithShape(rows, cols), G.WithName(name), G.WithValue(t)), data
}

// mlp is the size of a network of Linear → norm → ReLU, and how many are drawn.
type mlp struct{ layers, width, batch, draws int }

// growthOf returns the growth of the squared gradient per layer: exp of the slope of its
// logarithm, averaged over the draws, against the layers passed backward.
func growthOf(a arm, s mlp, seed uint64) (float64, error) {
	logs := make([]float64, s.layers)
	for i := range s.draws {
		squares, err := gradientSquares(a, s, seed, i)
		if err != nil {
			return 0, err
		}
		for l, v := range squares {
			logs[l] += math.Log(v) / float64(s.draws)
		}
	}
	at := make([]float64, s.layers)
	floats.Span(at, 0, float64(s.layers-1))
	_, slope := stat.LinearRegression(at, logs, nil, false)
	return math.Exp(-slope), nil
}

// gradientSquares returns Σ(∂cost/∂h)² of each layer's output h, for a random cost.
func gradientSquares(a arm, s mlp, seed uint64, draw int) ([]float64, error) {
	g := G.NewGraph()
	rng := random(seed, fmt.Sprint("network ", draw))
	h, _ := gaussian(g, "x", s.batch, s.width, rng)
	var outputs G.Nodes
	for l := range s.layers {
		init := func(_ tensor.Dtype, shape ...int) any {
			w := make([]float32, tensor.Shape(shape).TotalSize())
			for i := range w {
				w[i] = float32(rng.NormFloat64() * math.Sqrt(2/float64(s.width)))
			}
			return w
		}
		linear, err := layers.NewLinear(
			g, s.width, s.width, init, layers.WithName(fmt.Sprint("linear", l)), layers.WithoutBias(),
		)
		if err != nil {
			return nil, err
		}
		norm, err := a.make(g, fmt.Sprint("norm", l), s.width)
		if err != nil {
			return nil, err
		}
		if h, err = linear.Forward(h); err != nil {
			return nil, err
		}
		if h, err = norm.Forward(h); err != nil {
			return nil, err
		}
		if h, err = relu(h); err != nil {
			return nil, err
		}
		outputs = append(outputs, h)
	}
	upstream, _ := gaussian(g, "upstream", s.batch, s.width, rng)
	cost, err := G.Sum(G.Must(G.HadamardProd(h, upstream)))
	if err != nil {
		return nil, err
	}
	grads, err := layers.Grad(cost, outputs...)
	if err != nil {
		return nil, err
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	if err := vm.RunAll(); err != nil {
		return nil, err
	}
	squares := make([]float64, len(grads))
	for i, n := range grads {
		for _, v := range n.Value().Data().([]float32) {
			squares[i] += float64(float64(v) * float64(v))
		}
	}
	return squares, nil
}

// relu returns h where it is at least zero, and zero elsewhere. Gorgonia's Rectify is the same product, but
// counts its calls in a variable without a lock, so graphs could not be built side by side.
func relu(h *G.Node) (*G.Node, error) {
	positive, err := G.Gte(h, G.NewConstant(float32(0)), true)
	if err != nil {
		return nil, err
	}
	return G.HadamardProd(h, positive)
}

// batchGrowth is Yang et al.'s growth of the squared gradient per layer under BatchNorm.
const batchGrowth = math.Pi / (math.Pi - 1)

func judgeSamples(d sampleData) []Judgement { return []Judgement{judgeOthers(d), judgeGrowth(d)} }

func judgeOthers(d sampleData) Judgement {
	j := Judgement{
		Part: "only BatchNorm depends on the other samples", Verdict: Supported,
		Effect: "change of BatchNorm's output at the smallest batch, as a share of it",
	}
	var reasons []string
	for _, o := range d.Others {
		largest, least := 0.0, math.Inf(1)
		for i := range d.Sizes {
			for _, v := range append(append([]float64{}, o.Output[i]...), o.Gradient[i]...) {
				largest, least = max(largest, v), min(least, v)
			}
		}
		if o.Norm != "batch" {
			reasons = append(reasons, fmt.Sprintf("%s: largest change %.3g", o.Norm, largest))
			if largest > 0 {
				j.Verdict = Refuted
			}
			continue
		}
		last := len(d.Sizes) - 1
		first, end := interval(o.Output[0]), interval(o.Output[last])
		j.Size = first
		reasons = append(
			reasons, fmt.Sprintf("batch: %.3g at %d samples, %.3g at %d", first.Mean, d.Sizes[0], end.Mean, d.Sizes[last]),
		)
		fall := interval(differences(o.Output[0], o.Output[last]))
		switch {
		case least == 0 || fall.below(0):
			j.Verdict = Refuted
		case j.Verdict == Supported && !fall.above(0):
			j.Verdict = Undecided
		}
	}
	j.Reason = sentence(reasons)
	return j
}

func judgeGrowth(d sampleData) Judgement {
	j := Judgement{
		Part: "and gradients explode as Yang et al. predict", Verdict: Supported,
		Effect: "growth of BatchNorm's squared gradient per layer",
	}
	var reasons []string
	for _, g := range d.Growth {
		i := interval(g.Growth)
		want := 1.0
		if g.Norm == "batch" {
			want, j.Size = batchGrowth, i
		}
		reasons = append(reasons, fmt.Sprintf("%s %.4g", g.Norm, i.Mean))
		if g.Norm != "batch" && g.Norm != "layer" {
			continue
		}
		switch low, high := 0.95*want, 1.05*want; {
		case i.below(low) || i.above(high):
			j.Verdict = Refuted
		case !i.within(low, high) && j.Verdict == Supported:
			j.Verdict = Undecided
		}
	}
	j.Reason = "per layer: " + sentence(reasons)
	return j
}

func drawSamples(d sampleData) []Figure {
	f := Figure{
		Title: "How far one sample's output moves when the others change", X: "samples in the batch",
		Y: "‖change‖/‖output‖", LogX: true,
	}
	for _, o := range d.Others {
		c := Curve{Name: o.Norm}
		for i, n := range d.Sizes {
			c.Points = append(c.Points, pointOf(float64(n), interval(o.Output[i])))
		}
		f.Curves = append(f.Curves, c)
	}
	g := Figure{
		Title: "Growth of the squared gradient per layer", Y: "growth",
		Levels: []Level{{"π/(π−1)", batchGrowth}, {"1", 1}},
	}
	c := Curve{Dots: true}
	for i, v := range d.Growth {
		g.Names = append(g.Names, v.Norm)
		c.Points = append(c.Points, pointOf(float64(i), interval(v.Growth)))
	}
	g.Curves = []Curve{c}
	return []Figure{f, g}
}
