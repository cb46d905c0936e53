package claims

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/gonum/stat"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
	"gorgonorm/train"
)

var mean = withTimes(experiment(About{
	Name:  "mean",
	Short: "is LayerNorm's re-centring dispensable?",
	Claim: "LayerNorm's re-centring is dispensable: RMSNorm does as well, faster.",
	Method: "Small transformers are trained under both with twice the usual number of seeds, the same weights " +
		"and batches for both at each seed. In the trained LayerNorm models: how much of a vector's squared length " +
		"the mean takes, C·μ²/‖x‖², beside 1/C, which a random direction would have. Then the mean is folded into " +
		"the weights that write to the residual stream, LayerNorms are replaced by RMSNorms, and the two models' " +
		"logits compared in float64. Times are of training steps and of the norm alone, taken in turns.",
	Rule: "As well: supported if two one-sided tests at 5 % find the mean difference of the validation losses " +
		"within ±0.01 nat; refuted if the 95 % interval lies outside altogether; else undecided. Dispensable: " +
		"supported if the folded models' logits differ by at most 1e-5 of the largest; refuted otherwise. Faster: " +
		"supported if the 95 % interval of the paired ratio of step times lies below 1, refuted if above, else " +
		"undecided.",
	Literature: "Zhang & Sennrich 2019 (arXiv 1910.07467) report equal quality in 7–64 % less time; Jiang et al. " +
		"2023 (arXiv 2305.14858) fold the mean into the weights of pre-norm transformers.",
	Limits: "Losses are those of one learning rate and of models that train for a few hundred steps.",
}, 75, measureMean, judgeMean, drawMean), measureMeanTimes, judgeMeanTimes)

// meanData is what the experiment measures.
type meanData struct {
	Layer    series      `json:"layer"` // last validation loss, an element for each seed
	RMS      series      `json:"rms"`
	Chance   float64     `json:"chance"` // 1/C
	Places   []meanShare `json:"places"`
	Folded   series      `json:"folded"`   // largest difference of logits over the largest logit, an element for each seed
	Unfolded series      `json:"unfolded"` // the same where the mean is dropped without folding it
}

// meanShare is the mean of C·μ²/‖x‖² over tokens at one norm, an element for each seed.
type meanShare struct {
	Name  string `json:"name"`
	Share series `json:"share"`
}

func measureMean(ctx context.Context, b *Bench) (d meanData, err error) {
	text, err := defaultText()
	if err != nil {
		return d, err
	}
	of, err := b.plain(ctx, text, b.moreSeeds(), "rms", "layer")
	if err != nil {
		return d, err
	}
	d.Layer, d.RMS = validation(of["layer"]), validation(of["rms"])
	for _, r := range of["layer"][:len(b.Seeds)] {
		if err := ctx.Err(); err != nil {
			return d, err
		}
		model, err := r.model()
		if err != nil {
			return d, err
		}
		o, err := observe(model, text)
		if err != nil {
			return d, err
		}
		d.Chance = 1 / float64(o.norms[0].in.cols)
		for i, n := range o.norms {
			if i == len(d.Places) {
				d.Places = append(d.Places, meanShare{Name: strings.TrimPrefix(n.name, "transformer.")})
			}
			sum := 0.0
			for row := range n.in.rows() {
				x := n.in.row(row)
				m := stat.Mean(x, nil)
				sum += m * m / meanSquare(x, false)
			}
			d.Places[i].Share = append(d.Places[i].Share, sum/float64(n.in.rows()))
		}
		folded, err := foldedDifference(r, text, true)
		if err != nil {
			return d, err
		}
		unfolded, err := foldedDifference(r, text, false)
		if err != nil {
			return d, err
		}
		d.Folded, d.Unfolded = append(d.Folded, folded), append(d.Unfolded, unfolded)
	}
	return d, nil
}

// foldedDifference returns the largest difference between the logits of a LayerNorm model and
// of the same with RMSNorms instead, over the largest logit. If fold is set, each weight that
// writes to the residual stream loses its mean over the features before. Both are computed
// in float64.
func foldedDifference(r trained, text *train.Corpus, fold bool) (float64, error) {
	given := transformer.Config{Dtype: tensor.Float64}
	layered, err := transformer.Load(G.NewGraph(), r.weights(), given)
	if err != nil {
		return 0, err
	}
	c := layered.Config()
	c.Norm.New = rmsWithEps
	scaled, err := transformer.New(G.NewGraph(), c)
	if err != nil {
		return 0, err
	}
	state := layered.State()
	if fold {
		for name, w := range state {
			if err := centre(name, w); err != nil {
				return 0, err
			}
		}
	}
	if err := scaled.Load(state); err != nil {
		return 0, err
	}
	want, err := observe(layered, text)
	if err != nil {
		return 0, err
	}
	got, err := observe(scaled, text)
	if err != nil {
		return 0, err
	}
	// The head shares the embedding, whose mean it must keep: logits are the last norm's
	// output times the weights as they were.
	head := numbersOf(layered.Learnables()[0])
	largest, size := 0.0, 0.0
	last := len(want.norms) - 1
	for i := range want.logits.rows() {
		x := got.norms[last].out.row(i)
		for v, logit := range want.logits.row(i) {
			sum := 0.0
			for j, f := range x {
				sum += float64(f * head[v*len(x)+j])
			}
			largest, size = max(largest, math.Abs(sum-logit)), max(size, math.Abs(logit))
		}
	}
	return largest / size, nil
}

// rmsWithEps makes an RMSNorm with LayerNorm's eps in the place of a LayerNorm.
func rmsWithEps(g *G.ExprGraph, name string, features int, _ bool, opts ...layers.Option) (layers.Layer, error) {
	return layers.NewRMSNorm(g, features, append(opts, layers.WithName(name), layers.WithEps(1e-5))...)
}

// centre takes its mean over the features of the residual stream from a weight that writes
// to it: an embedding's rows, a projection's columns.
func centre(name string, w *tensor.Dense) error {
	data, ok := w.Data().([]float64)
	if !ok {
		return fmt.Errorf("claims: %s is of type %v, want float64", name, w.Dtype())
	}
	rows, cols := w.Shape()[0], 1
	if w.Dims() == 2 {
		cols = w.Shape()[1]
	}
	switch {
	case strings.HasSuffix(name, "wte.weight"), strings.HasSuffix(name, "wpe.weight"):
		for i := range rows {
			subtractMean(data[i*cols:(i+1)*cols], 1)
		}
	case strings.HasSuffix(name, "c_proj.weight"), strings.HasSuffix(name, "c_proj.bias"):
		for j := range cols {
			subtractMean(data[j:], cols)
		}
	}
	return nil
}

// subtractMean takes the mean of every stride-th element from each of them.
func subtractMean(x []float64, stride int) {
	sum, n := 0.0, 0
	for i := 0; i < len(x); i += stride {
		sum += x[i]
		n++
	}
	for i := 0; i < len(x); i += stride {
		x[i] -= sum / float64(n)
	}
}

func judgeMean(d meanData) []Judgement {
	const margin = 0.01
	diff := differences(d.RMS, d.Layer)
	i := interval(diff)
	well := Judgement{
		Part: "RMSNorm does as well", Verdict: Undecided, Size: i,
		Effect: "RMSNorm's validation loss less LayerNorm's, nats",
		Reason: fmt.Sprintf("difference %+.4f nat, 95 %% interval %+.4f to %+.4f, over %d seeds", i.Mean, i.Low, i.High, i.N),
	}
	switch {
	case equivalent(diff, margin):
		well.Verdict = Supported
	case i.above(margin) || i.below(-margin):
		well.Verdict = Refuted
	}
	var shares []float64
	for _, p := range d.Places {
		shares = append(shares, interval(p.Share).Mean)
	}
	largest := slices.Max(d.Folded)
	folded := Judgement{
		Part: "re-centring can be folded away", Verdict: Supported,
		Effect: "largest difference of logits over the largest logit",
		Size:   Interval{Mean: largest, Low: largest, High: largest, N: len(d.Folded)},
		Reason: fmt.Sprintf("logits differ by %.2g, and by %.2g if the mean is dropped without folding; the mean takes "+
			"%.2g to %.2g of a vector's squared length, by chance %.2g",
			largest, slices.Max(d.Unfolded), slices.Min(shares), slices.Max(shares), d.Chance),
	}
	if !(largest <= 1e-5) {
		folded.Verdict = Refuted
	}
	return []Judgement{well, folded}
}

func drawMean(d meanData) []Figure {
	loss := Figure{
		Title: "RMSNorm's validation loss less LayerNorm's, seed by seed", X: "seed", Y: "nats",
		Levels: []Level{{"+0.01", 0.01}, {"equal", 0}, {"−0.01", -0.01}},
	}
	c := Curve{Dots: true}
	for i, v := range differences(d.RMS, d.Layer) {
		c.Points = append(c.Points, Point{X: float64(i + 1), Y: v, Low: v, High: v})
	}
	loss.Curves = []Curve{c}
	share := Figure{
		Title: "Share of the squared length that the mean takes", Y: "C·μ²/‖x‖²", LogY: true,
		Levels: []Level{{"by chance, 1/C", d.Chance}},
	}
	s := Curve{Dots: true}
	for i, p := range d.Places {
		share.Names = append(share.Names, p.Name)
		s.Points = append(s.Points, pointOf(float64(i), interval(p.Share)))
	}
	share.Curves = []Curve{s}
	return []Figure{loss, share}
}

// meanTimes are LayerNorm's and RMSNorm's times in seconds, measured in turns.
type meanTimes struct {
	StepLayer series `json:"step_layer"`
	StepRMS   series `json:"step_rms"`
	NormLayer series `json:"norm_layer"`
	NormRMS   series `json:"norm_rms"`
}

func measureMeanTimes(ctx context.Context, b *Bench) (t meanTimes, err error) {
	text, err := defaultText()
	if err != nil {
		return t, err
	}
	for range pick(b, 3, 12) {
		for _, kind := range []string{"layer", "rms"} {
			c := b.small()
			c.Norm = kind
			cost, err := train.MeasureCost(ctx, c, text)
			if err != nil {
				return t, err
			}
			alone, err := timeNorm(kind, c)
			if err != nil {
				return t, err
			}
			if kind == "layer" {
				t.StepLayer, t.NormLayer = append(t.StepLayer, cost.Step.Seconds()), append(t.NormLayer, alone.Seconds())
			} else {
				t.StepRMS, t.NormRMS = append(t.StepRMS, cost.Step.Seconds()), append(t.NormRMS, alone.Seconds())
			}
		}
	}
	return t, nil
}

// timeNorm returns the time of a norm's forward and backward pass on a batch of the config.
func timeNorm(kind string, c runlog.Config) (time.Duration, error) {
	g := G.NewGraph()
	x, _ := gaussian(g, "x", c.Batch*c.Context, c.Channels, random(1, "rows"))
	norm, err := armOf(kind).make(g, "norm", c.Channels)
	if err != nil {
		return 0, err
	}
	y, err := norm.Forward(x)
	if err != nil {
		return 0, err
	}
	cost, err := G.Sum(y)
	if err != nil {
		return 0, err
	}
	if _, err := G.Grad(cost, x); err != nil {
		return 0, err
	}
	vm := G.NewTapeMachine(g)
	defer vm.Close()
	const warm, times = 5, 50
	var began time.Time
	for i := range warm + times {
		if i == warm {
			began = time.Now()
		}
		if err := vm.RunAll(); err != nil {
			return 0, err
		}
		vm.Reset()
	}
	return time.Since(began) / times, nil
}

func judgeMeanTimes(t meanTimes) []Judgement {
	step, norm := interval(ratios(t.StepRMS, t.StepLayer)), interval(ratios(t.NormRMS, t.NormLayer))
	j := Judgement{
		Part: "RMSNorm is faster", Verdict: Undecided, Size: step,
		Effect: "RMSNorm's time of a training step over LayerNorm's",
		Reason: fmt.Sprintf("a step takes %.3f of LayerNorm's time (%.3f to %.3f), the norm alone %.3f (%.3f to %.3f)",
			step.Mean, step.Low, step.High, norm.Mean, norm.Low, norm.High),
	}
	switch {
	case step.below(1):
		j.Verdict = Supported
	case step.above(1):
		j.Verdict = Refuted
	}
	return []Judgement{j}
}
