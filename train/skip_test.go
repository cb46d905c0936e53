package train

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/layers"
	"gorgonorm/models/transformer"
)

// TestASkippedStepChangesNothing trains two equal models on the same batches. One of them
// has a NaN in its third step, and the other does not take that step. Afterwards both are
// equal to the last bit, and so are the steps that follow.
func TestASkippedStepChangesNothing(t *testing.T) {
	text := corpus(t, verse)
	for _, n := range transformer.Norms {
		for name, spoil := range map[string]func(l *loop) (mend func()){
			"the loss": func(l *loop) func() {
				w := l.model.Learnables()[0].Value().(*tensor.Dense).Float32s()
				before := append([]float32(nil), w...)
				for i := range w {
					w[i] = float32(math.NaN())
				}
				return func() { copy(w, before) }
			},
			"the gradient": func(l *loop) func() {
				weights := l.weights
				bad := dense([]float32{float32(math.Inf(1))}, 1)
				l.weights = append(weights[:len(weights):len(weights)], weight{dense([]float32{1}, 1), bad})
				return func() { l.weights = weights }
			},
		} {
			t.Run(n.Name+", "+name, func(t *testing.T) {
				t.Parallel()
				c := tiny(n.Name)
				c.ProbeEvery, c.EvalEvery = 0, 1000
				hit, spared := startLoop(t, c, text), startLoop(t, c, text)
				for range 2 {
					hit.step(t)
					spared.step(t)
				}
				mend := spoil(hit.loop)
				require.False(t, hit.step(t).Finite())
				mend()
				spared.batches.next(spared.train.ids, spared.train.targets)
				spared.run.Steps = append(spared.run.Steps, Step{})

				require.Equal(t, spared.model.State(), hit.model.State())
				require.Equal(t, spared.moments(t), hit.moments(t), "moments and steps of AdamW")
				for range 2 {
					require.Equal(t, spared.step(t), hit.step(t))
				}
				require.Equal(t, spared.model.State(), hit.model.State())
				v, err := hit.evaluate(&hit.eval)
				require.NoError(t, err)
				require.True(t, v.Finite())
			})
		}
	}
}

type startedLoop struct {
	*loop
	run *Run
}

func startLoop(t *testing.T, c Config, text *Corpus) startedLoop {
	l, err := newLoop(c, text)
	require.NoError(t, err)
	t.Cleanup(l.close)
	return startedLoop{l, new(Run)}
}

func (l startedLoop) step(t *testing.T) Step {
	s, err := l.loop.step(l.run)
	require.NoError(t, err)
	l.run.Steps = append(l.run.Steps, s)
	return s
}

// moments returns the solver's moments of each weight, in order.
func (l startedLoop) moments(t *testing.T) (all []any) {
	for i, n := range l.model.Learnables() {
		p, err := newParameter(i, n)
		require.NoError(t, err)
		require.Contains(t, l.solver.moments, p.memory())
		all = append(all, l.solver.moments[p.memory()])
	}
	return all
}

// TestTheTrainingModeLossKeepsStatistics evaluates in training mode, also with running
// statistics that are not finite.
func TestTheTrainingModeLossKeepsStatistics(t *testing.T) {
	for _, bad := range []float32{1, float32(math.NaN()), float32(math.Inf(1))} {
		c := tiny("batch")
		c.Steps = 1
		l := startLoop(t, c, corpus(t, verse))
		l.step(t)
		bn := l.train.activations.Norms[0].Layer.(*layers.BatchNorm)
		bn.RunningVar().Float32s()[3] = bad
		before := l.model.State()
		loss, err := l.trainModeLoss(l.run)
		require.NoError(t, err)
		require.True(t, loss.Finite())
		for name, d := range before {
			same := l.model.State()[name]
			for i, v := range floatsOf(d) {
				require.Equal(t, math.Float64bits(v), math.Float64bits(floatsOf(same)[i]), "%s", name)
			}
		}
	}
}

func floatsOf(d *tensor.Dense) (f []float64) {
	if d.Dtype() == tensor.Int64 {
		return []float64{float64(d.Int64s()[0])}
	}
	return float64s(d)
}

// BenchmarkSnapshot takes a snapshot of the default model, as each step of a run does.
func BenchmarkSnapshot(b *testing.B) {
	for _, n := range transformer.Norms {
		b.Run(n.Name, func(b *testing.B) {
			c := Defaults()
			m, err := transformer.New(G.NewGraph(), transformer.Config{
				Vocab: 65, Context: c.Context, Layers: c.Layers, Heads: c.Heads, Channels: c.Channels, Norm: n})
			require.NoError(b, err)
			s := m.Snapshot()
			for b.Loop() {
				s.Take()
			}
		})
	}
}
