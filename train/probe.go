package train

import (
	"math"
	"strings"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/cpu"
	"gorgonorm/internal/portable"
	"gorgonorm/layers"
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// prober reads the values of a training graph's nodes. It changes nothing: a run with
// probes is equal to one without.
type prober struct {
	nodes   *transformer.Activations
	heads   int
	inputs  []distribution // inputs of the norms at the previous probe
	running []distribution // BatchNorm's running statistics before the step; empty for other norms
	groups  []*group
	part    []float32 // scratch of seenBy
}

// distribution is the mean and variance of each feature over the rows of a batch.
type distribution struct{ mean, variance []float64 }

// group is a part of the model's parameters.
type group struct {
	name   string
	params G.Nodes
	before [][]float32 // the weights before the update
}

func newProber(nodes *transformer.Activations, heads int, learnables G.Nodes) *prober {
	p := &prober{nodes: nodes, heads: heads}
	byName := make(map[string]*group)
	for _, n := range learnables {
		name := groupName(n.Name())
		g := byName[name]
		if g == nil {
			g = &group{name: name}
			byName[name] = g
			p.groups = append(p.groups, g)
		}
		g.params, g.before = append(g.params, n), append(g.before, nil)
	}
	return p
}

// groupName returns the part of the model that a parameter belongs to. An example is
// h.0.attn for transformer.h.0.attn.c_attn.weight. Both norms of the block are in h.0.ln.
func groupName(parameter string) string {
	parts := strings.Split(strings.TrimPrefix(parameter, "transformer."), ".")
	if parts[0] != "h" {
		return parts[0]
	}
	part, _, _ := strings.Cut(parts[2], "_")
	return strings.Join([]string{"h", parts[1], part}, ".")
}

// before copies what the next step will change: BatchNorm's running statistics. It is
// called before a step that is probed.
func (p *prober) before() {
	p.running = make([]distribution, len(p.nodes.Norms))
	for i, n := range p.nodes.Norms {
		if b, ok := n.Layer.(*layers.BatchNorm); ok {
			p.running[i] = distribution{float64s(b.RunningMean()), float64s(b.RunningVar())}
		}
	}
}

// read takes a probe. It is called after the backward pass of a step, before its gradients
// are clipped.
func (p *prober) read(step int) runlog.Probe {
	r := runlog.Probe{Step: step}
	for _, n := range p.nodes.Residual {
		r.Residual = append(r.Residual, spreadOf(values(n)))
	}
	inputs := make([]distribution, len(p.nodes.Norms))
	for i, n := range p.nodes.Norms {
		x, cols := p.seenBy(n.Layer, n.In)
		inputs[i] = distributionOf(x, cols)
		np := runlog.NormProbe{Name: strings.TrimPrefix(n.Layer.Name(), "transformer."), In: spreadOf(x)}
		np.Out = np.In
		if n.Out != n.In {
			y, _ := p.seenBy(n.Layer, n.Out)
			np.Out = spreadOf(y)
		}
		if p.inputs != nil {
			np.Drift = driftOf(p.inputs[i], inputs[i])
		}
		if p.running[i].mean != nil {
			np.Batch = batchOf(inputs[i], p.running[i], len(x)/cols)
		}
		r.Norms = append(r.Norms, np)
	}
	p.inputs = inputs
	for _, n := range p.nodes.QKV {
		s := n.Shape()
		heads := cpu.Heads{B: s[0], T: s[1], C: s[2] / 3, Heads: p.heads}
		r.Attention = append(r.Attention, runlog.Float(cpu.MaxAttentionLogit(values(n), heads)))
	}
	r.Logits, r.LogZ = outputs(p.nodes.Logits)
	for _, g := range p.groups {
		r.Groups = append(r.Groups, g.read())
	}
	return r
}

// readUpdates completes the probe. It is called after the weights are updated.
func (p *prober) readUpdates(r *runlog.Probe) {
	for i, g := range p.groups {
		var squares float64
		for j, n := range g.params {
			squares += cpu.SquaredDistance(values(n), g.before[j])
		}
		r.Groups[i].Update = runlog.Float(math.Sqrt(squares)) / r.Groups[i].Weight
	}
}

// read measures the norms of the group's gradient and weights, and copies the weights for
// readUpdates.
func (g *group) read() runlog.GroupProbe {
	var grad, weight float64
	for i, n := range g.params {
		w := values(n)
		g.before[i] = append(g.before[i][:0], w...)
		weight += cpu.SumSquares(w)
		if d, err := n.Grad(); err == nil { // ClipGradNorm, called next, reports a missing one
			grad += cpu.SumSquares(d.(*tensor.Dense).Float32s())
		}
	}
	return runlog.GroupProbe{
		Name: g.name, Grad: runlog.Float(math.Sqrt(grad)), Weight: runlog.Float(math.Sqrt(weight)),
	}
}

func values(n *G.Node) []float32 { return n.Value().(*tensor.Dense).Float32s() }

func spreadOf(x []float32) runlog.Spread {
	rms := math.Sqrt(cpu.SumSquares(x) / float64(len(x)))
	return runlog.Spread{RMS: runlog.Float(rms), Max: runlog.Float(cpu.MaxAbs(x))}
}

// seenBy returns the values of a node that a norm normalizes, and the number of features.
// QKNorm normalizes the queries and keys in each row, other norms all features.
func (p *prober) seenBy(l layers.Layer, n *G.Node) (x []float32, cols int) {
	x, s := values(n), n.Shape()
	cols = s[len(s)-1]
	if _, ok := l.(*layers.QKNorm); !ok {
		return x, cols
	}
	p.part = p.part[:0]
	for ; len(x) > 0; x = x[cols:] {
		p.part = append(p.part, x[:cols/3*2]...)
	}
	return p.part, cols / 3 * 2
}

func distributionOf(x []float32, cols int) distribution {
	d := distribution{make([]float64, cols), make([]float64, cols)}
	cpu.ColumnMoments(d.mean, d.variance, x, len(x)/cols, cols)
	return d
}

// driftOf compares two distributions. It leaves out features with a variance of 0 in
// either, and returns NaN if no feature remains.
func driftOf(before, now distribution) *runlog.Drift {
	var shift, ratio float64
	n := 0
	for j, m := range now.mean {
		if before.variance[j] == 0 || now.variance[j] == 0 {
			continue
		}
		n++
		shift += math.Abs(m-before.mean[j]) / math.Sqrt(before.variance[j])
		ratio += float64(math.Abs(portable.Log(now.variance[j]/before.variance[j])) / 2)
	}
	return &runlog.Drift{Shift: runlog.Float(shift / float64(n)), LogRatio: runlog.Float(ratio / float64(n))}
}

// distance returns ‖a − b‖.
func distance(a, b []float64) float64 {
	squares := 0.0
	for i, v := range a {
		d := v - b[i]
		squares += float64(d * d)
	}
	return math.Sqrt(squares)
}

// batchOf compares a batch with BatchNorm's running statistics, whose variance is
// unbiased.
func batchOf(batch, running distribution, rows int) *runlog.Batch {
	unbiased := make([]float64, len(batch.variance))
	for j, v := range batch.variance {
		unbiased[j] = v * float64(rows) / float64(rows-1)
	}
	n := float64(len(unbiased))
	return &runlog.Batch{
		Mean: runlog.Float(distance(batch.mean, running.mean) / n),
		Var:  runlog.Float(distance(unbiased, running.variance) / n),
	}
}

func float64s(d *tensor.Dense) (f []float64) {
	for _, v := range d.Float32s() {
		f = append(f, float64(v))
	}
	return f
}

// outputs returns the moments of all logits, and of log Z over the tokens.
func outputs(logits *G.Node) (all, logZ runlog.Moments) {
	x := values(logits)
	s := logits.Shape()
	z := make([]float64, len(x)/s[len(s)-1])
	cpu.LogSumExp(z, x, make([]float32, s[len(s)-1]))
	return momentsOf(x), momentsOf(z)
}

func momentsOf[T cpu.Float](x []T) runlog.Moments {
	var mean, variance [1]float64
	cpu.ColumnMoments(mean[:], variance[:], x, len(x), 1)
	return runlog.Moments{Mean: runlog.Float(mean[0]), Std: runlog.Float(math.Sqrt(variance[0]))}
}
