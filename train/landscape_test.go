package train

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"

	"gorgonorm/layers"
	"gorgonorm/models/transformer"
	"gorgonorm/runlog"
)

// TestARunWithLandscapesIsEqual compares all that runs leave with and without landscapes.
func TestARunWithLandscapesIsEqual(t *testing.T) {
	t.Parallel()
	text := corpus(t, verse)
	for _, norm := range transformer.NormNames() {
		c := tiny(norm)
		c.Steps = 20
		plainModel, plain, err := Train(t.Context(), c, text, nil)
		require.NoError(t, err)
		c.LandscapeEvery = 4
		model, run, err := Train(t.Context(), c, text, nil)
		require.NoError(t, err)
		require.Equal(t, plainModel.State(), model.State(), norm)
		for i := range run.Steps {
			surveyed := run.Steps[i].Landscape
			require.Equal(t, (i+1)%4 == 0, surveyed != nil)
			if surveyed != nil {
				require.Len(t, surveyed.Blocks, c.Layers)
				require.Len(t, surveyed.Along, len(runlog.LandscapeTimes))
			}
			run.Steps[i].Landscape = nil
		}
		run.Config, run.Speed = plain.Config, plain.Speed
		require.Equal(t, asJSON(t, plain), asJSON(t, run), norm)
	}
}

// TestLandscapesOfTheModel computes them on graphs of their own, with the weights moved one by
// one, from the weights before and after a step.
func TestLandscapesOfTheModel(t *testing.T) {
	t.Parallel()
	text := corpus(t, verse)
	for _, norm := range []string{"none", "batch", "layer"} {
		c := tiny(norm)
		c.LandscapeEvery, c.Clip = 3, 0.01
		l := startLoop(t, c, text)
		l.step(t)
		l.step(t)
		before := weightsOf(l.model)
		got := l.step(t).Landscape
		after := weightsOf(l.model)

		at := func(weights [][]float32) (float64, [][]float64) {
			m, err := transformer.New(G.NewGraph(), l.model.Config())
			require.NoError(t, err)
			require.NoError(t, m.Load(l.model.State()))
			for i, n := range m.Learnables() {
				copy(values(n), weights[i])
			}
			return lossAndGradient(t, m, l.train.ids, l.train.targets, c)
		}
		loss, g := at(before)
		everything := func(string) bool { return true }
		names := l.model.Learnables()
		update, length := 0.0, 0.0
		for i := range before {
			for j := range before[i] {
				update += math.Pow(float64(after[i][j]-before[i][j]), 2)
				length += g[i][j] * g[i][j]
			}
		}
		for k, times := range []float64{0.5, 1, 2, 4} {
			moved := make([][]float32, len(before))
			for i := range before {
				for j, w := range before[i] {
					moved[i] = append(moved[i], w-float32(times*math.Sqrt(update/length)*g[i][j]))
				}
			}
			there, h := at(moved)
			change, _ := differ(names, g, h, everything)
			// float32 losses and gradients are exact to about 1e-6 of their size
			require.InDelta(t, (there-loss)/loss, float64(got.Along[k].Loss), 3e-6, norm)
			require.InDelta(t, change, float64(got.Along[k].Gradient), 1e-3*change+1e-4, norm)
			require.Equal(t, times, float64(got.Along[k].Times))
		}
		for block, earlier := range [][]string{{"wte", "wpe"}, {"wte", "wpe", "h.0.attn", "h.0.mlp", "h.0.ln"}} {
			mixed := make([][]float32, len(before))
			for i, n := range names {
				mixed[i] = before[i]
				for _, group := range earlier {
					if groupName(n.Name()) == group {
						mixed[i] = after[i]
					}
				}
			}
			_, h := at(mixed)
			prefix := []string{"transformer.h.0.", "transformer.h.1."}[block]
			change, cosine := differ(names, g, h, func(name string) bool { return strings.HasPrefix(name, prefix) })
			require.Positive(t, change)
			require.InDelta(t, change, float64(got.Blocks[block].Gradient), 1e-3*change+1e-4, "%s, block %d", norm, block)
			require.InDelta(t, cosine, float64(got.Blocks[block].Cosine), 1e-3, "%s, block %d", norm, block)
		}
	}
}

func weightsOf(m *transformer.Model) (w [][]float32) {
	for _, n := range m.Learnables() {
		w = append(w, append([]float32(nil), values(n)...))
	}
	return w
}

// lossAndGradient returns those of a model in training mode.
func lossAndGradient(t *testing.T, m *transformer.Model, ids, targets []int, c Config) (float64, [][]float64) {
	g := m.Learnables()[0].Graph()
	p, err := newPass(g, m, c.Batch, c.Context)
	require.NoError(t, err)
	copy(p.ids, ids)
	copy(p.targets, targets)
	grads, err := layers.Grad(p.loss, m.Learnables()...)
	require.NoError(t, err)
	p.vm = G.NewTapeMachine(g)
	defer p.close()
	loss, err := p.run()
	require.NoError(t, err)
	var all [][]float64
	for _, n := range grads {
		all = append(all, elements(n))
	}
	return float64(loss), all
}

// differ returns ‖b − a‖/‖a‖ and the cosine of the angle between a and b, over chosen weights.
func differ(names G.Nodes, a, b [][]float64, chosen func(string) bool) (change, cosine float64) {
	var aa, bb, ab, dd float64
	for i, n := range names {
		if !chosen(n.Name()) {
			continue
		}
		for j, v := range a[i] {
			aa, bb, ab, dd = aa+v*v, bb+b[i][j]*b[i][j], ab+v*b[i][j], dd+(b[i][j]-v)*(b[i][j]-v)
		}
	}
	return math.Sqrt(dd / aa), ab / math.Sqrt(aa*bb)
}
