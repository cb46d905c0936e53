package train

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"

	"gorgonorm/internal/golden"
	"gorgonorm/layers"
	"gorgonorm/models/transformer"
)

// TestTrainEqualsItsParts computes three steps in float64 from the model's gradients:
// batches, schedule, clipping, AdamW with decay of matrices only, and the validation loss
// of the evaluation graph.
func TestTrainEqualsItsParts(t *testing.T) {
	text := corpus(t, verse+strings.ToUpper(verse[:400])) // the validation part differs from the training part
	for _, norm := range []string{"layer", "batch"} {
		t.Run(norm, func(t *testing.T) {
			c := tiny(norm)
			c.Steps, c.Warmup, c.EvalEvery, c.Clip = 3, 1, 3, 0.5
			model, run, err := Train(context.Background(), c, text, nil)
			require.NoError(t, err)

			mc, err := modelOf(c, text.Vocabulary)
			require.NoError(t, err)
			g := G.NewGraph()
			want, err := transformer.New(g, mc)
			require.NoError(t, err)
			p, err := newPass(g, want, c.Batch, c.Context)
			require.NoError(t, err)
			grads, err := G.Grad(p.loss, want.Learnables()...)
			require.NoError(t, err)
			p.vm = G.NewTapeMachine(g)
			defer p.vm.Close()

			b := newBatches(text.Train, c.Context, c.Seed)
			moments := make(map[*G.Node][2][]float64)
			for i, rate := range []float64{0.5e-2, 1e-2, (1e-2 + 1e-3) / 2} {
				b.next(p.ids, p.targets)
				loss, err := p.run()
				require.NoError(t, err)
				require.Equal(t, loss, run.Steps[i].Loss)
				require.InDelta(t, rate, float64(run.Steps[i].LR), 1e-12)
				var squares float64
				for _, d := range grads {
					for _, v := range d.Value().Data().([]float32) {
						squares += float64(v) * float64(v)
					}
				}
				norm := math.Sqrt(squares)
				require.Greater(t, norm, c.Clip, "the gradients must be clipped for this test")
				require.InEpsilon(t, norm, float64(run.Steps[i].GradNorm), 1e-6)
				for j, n := range want.Learnables() {
					adamw(c, n, grads[j].Value().Data().([]float32), c.Clip/norm, rate, i+1, moments)
				}
			}
			for i, n := range model.Learnables() {
				within := golden.Within{Rel: 1e-5, Abs: 1e-7}
				golden.RequireClose(t, elements(want.Learnables()[i]), elements(n), within, "%s", n.Name())
			}

			require.InEpsilon(t, validation(t, want, text.Val, c), float64(*run.Steps[2].ValLoss), 1e-5)
		})
	}
}

// adamw is Loshchilov & Hutter's algorithm 2, in float64.
func adamw(
	c Config, n *G.Node, grad []float32, scale, rate float64, step int, moments map[*G.Node][2][]float64,
) {
	if moments[n][0] == nil {
		moments[n] = [2][]float64{make([]float64, len(grad)), make([]float64, len(grad))}
	}
	m, v := moments[n][0], moments[n][1]
	w := n.Value().Data().([]float32)
	for i := range w {
		g := float64(grad[i]) * scale
		m[i] = c.Beta1*m[i] + (1-c.Beta1)*g
		v[i] = c.Beta2*v[i] + (1-c.Beta2)*g*g
		mhat, vhat := m[i]/(1-math.Pow(c.Beta1, float64(step))), v[i]/(1-math.Pow(c.Beta2, float64(step)))
		decay := 0.0
		if n.Dims() == 2 {
			decay = c.WeightDecay
		}
		w[i] = float32(float64(w[i]) - rate*(mhat/(math.Sqrt(vhat)+1e-8)+decay*float64(w[i])))
	}
}

func elements(n *G.Node) (f []float64) {
	for _, v := range n.Value().Data().([]float32) {
		f = append(f, float64(v))
	}
	return f
}

// validation returns the mean loss over the windows, evaluated one at a time.
func validation(t *testing.T, m *transformer.Model, text []int32, c Config) float64 {
	g := G.NewGraph()
	e, err := m.On(g, layers.Evaluation)
	require.NoError(t, err)
	p, err := newPass(g, e, 1, c.Context)
	require.NoError(t, err)
	p.vm = G.NewTapeMachine(g)
	defer p.vm.Close()
	at := windows(text, c.Context, c.Batch, c.EvalBatches)
	require.Greater(t, len(at), c.Batch)
	var sum float64
	for _, i := range at {
		widen(p.ids, text[i:])
		widen(p.targets, text[i+1:])
		loss, err := p.run()
		require.NoError(t, err)
		sum += float64(loss)
	}
	return sum / float64(len(at))
}

func TestEveryNormSeesTheSameBatches(t *testing.T) {
	text := corpus(t, verse)
	var first []int
	for _, n := range transformer.Norms {
		l, err := newLoop(tiny(n.Name), text)
		require.NoError(t, err)
		var run Run
		for range 5 {
			_, err := l.step(&run)
			require.NoError(t, err)
		}
		if first == nil {
			first = append(first, l.train.ids...)
		}
		require.Equal(t, first, l.train.ids, n.Name)
		l.close()
	}
}

// TestTrainingModeLoss compares the losses of the same weights on the same text with the
// running statistics and with the batch's own.
func TestTrainingModeLoss(t *testing.T) {
	text := corpus(t, verse)
	for _, norm := range []string{"layer", "batch"} {
		c := tiny(norm)
		model, run, err := Train(t.Context(), c, text, nil)
		require.NoError(t, err)
		s := run.Summary
		if norm == "layer" {
			require.Equal(t, s.LastVal, s.TrainModeVal)
			continue
		}
		require.NotEqual(t, s.LastVal, s.TrainModeVal)
		require.InDelta(t, float64(s.LastVal), float64(s.TrainModeVal), 1)
		want := validation(t, model, text.Val, c)
		require.InEpsilon(t, want, float64(s.LastVal), 1e-5, "the running statistics are as training left them")
	}
	c := tiny("layer")
	ctx, cancel := context.WithCancel(t.Context())
	_, run, err := Train(ctx, c, text, func(Step) { cancel() })
	require.NoError(t, err)
	require.True(t, math.IsNaN(float64(run.Summary.TrainModeVal)), "not at the end")
}
