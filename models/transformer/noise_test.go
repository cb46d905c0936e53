package transformer

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
	"gorgonorm/layers"
)

var noiseIds = golden.Ints{Shape: []int{2, 3}, Data: []int{1, 6, 2, 0, 3, 5}}

// noisyLoss adds a noisy pass of perturbed weights to a graph. It returns the model, the noise and a
// function that computes the loss and the gradients of the learnables.
func noisyLoss(t *testing.T, c Config, sigma float64) (*Model, *NormNoise, func() float64) {
	t.Helper()
	c.Dtype = tensor.Float64
	m, noise := perturbed(t, c), NewNormNoise(sigma, 5)
	logits, err := m.WithNoise(noise).Logits(ints(m.g, "ids", noiseIds))
	require.NoError(t, err)
	loss, err := m.Loss(logits, ints(m.g, "targets", noiseIds))
	require.NoError(t, err)
	_, err = G.Grad(loss, m.Learnables()...)
	require.NoError(t, err)
	vm := G.NewTapeMachine(m.g)
	t.Cleanup(func() { vm.Close() })
	return m, noise, func() float64 {
		require.NoError(t, vm.RunAll())
		defer vm.Reset()
		return loss.Value().Data().(float64)
	}
}

// TestGradientsThroughNoise compares gradients with central differences of the loss under the same
// draws.
func TestGradientsThroughNoise(t *testing.T) {
	const h = 1e-5
	for name, c := range arrangements() {
		if c.QKNorm {
			continue // has no noise
		}
		t.Run(name, func(t *testing.T) {
			m, _, loss := noisyLoss(t, c, 0.3)
			for _, w := range m.Learnables() {
				loss() // of which the gradients are
				d, err := w.Grad()
				require.NoError(t, err)
				grad, x := op64(d)[0], op64(w.Value())
				was := x[0]
				x[0] = was + h
				above := loss()
				x[0] = was - h
				below := loss()
				x[0] = was
				require.InDelta(t, (above-below)/(2*h), grad, 1e-6+1e-5*math.Abs(grad), w.Name())
			}
		})
	}
}

func op64(v G.Value) []float64 { return v.(*tensor.Dense).Float64s() }

// TestNoiseIsDrawnFromItsDistribution: the scale minus 1 and the shift have mean 0 and deviation σ,
// within four standard errors, are not correlated, and differ from draw to draw.
func TestNoiseIsDrawnFromItsDistribution(t *testing.T) {
	t.Parallel()
	const sigma, n = 0.25, 40_000
	noise, p := NewNormNoise(sigma, 1), newAffine(n)
	noise.draw(p)
	for j := range p.scale {
		p.scale[j]--
	}
	for _, x := range [][]float64{p.scale, p.shift} {
		mean, std := stat.MeanStdDev(x, nil)
		require.InDelta(t, 0, mean, 4*sigma/math.Sqrt(n))
		require.InDelta(t, sigma, std, 4*sigma/math.Sqrt(2*n))
	}
	require.InDelta(t, 0, stat.Correlation(p.scale, p.shift, nil), 4/math.Sqrt(n))

	_, drawn, loss := noisyLoss(t, tiny("layer"), sigma)
	require.Len(t, drawn.places, 5, "two norms a block, and the last")
	first := loss()
	require.Equal(t, first, loss(), "until the next draw")
	drawn.Draw()
	second := loss()
	require.NotEqual(t, first, second)
	_, again, same := noisyLoss(t, tiny("layer"), sigma)
	require.Equal(t, first, same(), "the seed determines the draws")
	again.Draw()
	require.Equal(t, second, same())
}

// TestNoiseFollowsEveryNorm: the node after each norm is (1+σn)∘y + σm of that norm's output y.
func TestNoiseFollowsEveryNorm(t *testing.T) {
	for name, c := range arrangements() {
		t.Run(name, func(t *testing.T) {
			m, err := New(G.NewGraph(), c)
			require.NoError(t, err)
			noise := NewNormNoise(0.3, 1)
			a, err := m.WithNoise(noise).Forward(ints(m.g, "ids", noiseIds))
			require.NoError(t, err)
			var follow int
			vm := G.NewTapeMachine(m.g)
			defer vm.Close()
			require.NoError(t, vm.RunAll())
			for _, n := range a.Norms {
				if _, ok := n.Layer.(*layers.QKNorm); ok {
					continue
				}
				label, p := fmt.Sprintf("Noise %s forward", n.Layer.Name()), noise.places[follow]
				follow++
				found := false
				for _, after := range m.g.AllNodes() {
					if after.Op() == nil || after.Op().String() != label {
						continue
					}
					found = true
					y, x := after.Value().Data().([]float32), n.Out.Value().Data().([]float32)
					for i := range y {
						want := p.scale[i%c.Channels]*float64(x[i]) + p.shift[i%c.Channels]
						require.InDelta(t, want, float64(y[i]), 1e-5*(1+math.Abs(want)))
					}
				}
				require.True(t, found, label)
			}
			require.Len(t, noise.places, follow)
		})
	}
}

// TestOnlyPassesWithNoiseHaveIt: other passes of the same weights, evaluation and sampling have none,
// and noise of 0 adds no node.
func TestOnlyPassesWithNoiseHaveIt(t *testing.T) {
	t.Parallel()
	c := tiny("layer")
	m := perturbed(t, c)
	noisy := m.WithNoise(NewNormNoise(0.5, 1))
	for _, mode := range []layers.Mode{layers.Training, layers.Evaluation} {
		var results [][]float32
		for _, of := range []*Model{m, noisy} {
			g := G.NewGraph()
			placed, err := of.On(g, mode)
			require.NoError(t, err)
			results = append(results, logits(t, g, placed, noiseIds)())
		}
		require.Equal(t, results[0], results[1])
	}
	first := func(of *Model) (ids []int) {
		for id, err := range of.Generate([]int{1}, Sampling{Seed: 1, Temperature: 1}) {
			require.NoError(t, err)
			if ids = append(ids, id); len(ids) == 20 {
				break
			}
		}
		return ids
	}
	require.Equal(t, first(m), first(noisy))

	_, err := m.WithNoise(NewNormNoise(0, 1)).Forward(ints(m.g, "ids", noiseIds))
	require.NoError(t, err)
	for _, n := range m.g.AllNodes() {
		require.NotContains(t, fmt.Sprint(n.Op()), "Noise")
	}
}

// TestScaledEqualsPreWithSmallerGains: a Pre model whose norms' weights and biases are divided by √l
// in block l computes the same.
func TestScaledEqualsPreWithSmallerGains(t *testing.T) {
	t.Parallel()
	c := tiny("layer")
	c.Layers, c.Bias, c.Dtype, c.Placement = 4, true, tensor.Float64, Scaled
	scaled := perturbed(t, c)
	c.Placement = Pre
	pre, err := New(G.NewGraph(), c)
	require.NoError(t, err)
	state := scaled.State()
	for name, d := range state {
		if !strings.Contains(name, "transformer.h.") || !strings.Contains(name, normEntry) {
			continue
		}
		var block int
		_, err := fmt.Sscanf(name, "transformer.h.%d.", &block)
		require.NoError(t, err)
		for i := range d.Float64s() {
			d.Float64s()[i] /= math.Sqrt(float64(block + 1))
		}
	}
	require.NoError(t, pre.Load(state))
	golden.RequireClose(t, logits64(t, pre), logits64(t, scaled), golden.Within{Rel: 1e-12, Abs: 1e-15}, "logits")
}

// TestOpenHasNoNormBeforeTheHead: its logits are the stream's products with the embedding.
func TestOpenHasNoNormBeforeTheHead(t *testing.T) {
	t.Parallel()
	c := tiny("layer")
	c.Dtype, c.Placement = tensor.Float64, Open
	m := perturbed(t, c)
	a, err := m.Forward(ints(m.g, "ids", noiseIds))
	require.NoError(t, err)
	vm := G.NewTapeMachine(m.g)
	defer vm.Close()
	require.NoError(t, vm.RunAll())
	x, w := op64(a.Residual[c.Layers].Value()), op64(m.wte.Learnables()[0].Value())
	var want []float64
	for row := 0; row < len(x); row += c.Channels {
		for v := range c.Vocab {
			var sum float64
			for j := range c.Channels {
				sum += x[row+j] * w[v*c.Channels+j]
			}
			want = append(want, sum)
		}
	}
	golden.RequireClose(t, want, op64(a.Logits.Value()), golden.Within{Rel: 1e-12, Abs: 1e-14}, "logits")
}

func logits64(t *testing.T, m *Model) []float64 {
	t.Helper()
	y, err := m.Logits(ints(m.g, "ids", noiseIds))
	require.NoError(t, err)
	vm := G.NewTapeMachine(m.g)
	defer vm.Close()
	require.NoError(t, vm.RunAll())
	return op64(y.Value())
}
