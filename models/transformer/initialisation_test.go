package transformer

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"gorgonorm/internal/golden"
)

// TestResidualStreamAtInitialisation verifies Lemma 2 of Xiong et al. 2020 (arXiv 2002.04745). At
// initialisation, let v be the mean of ‖x‖²/d over tokens, where d is the number of channels. In
// the residual stream of a pre-norm model after block l, v is between 1 + l/2 and 1 + 3l/2. In a
// post-norm model, v is 1 after each norm and 3/2 in the sum of the MLP and its input. In a
// peri-norm model each of a block's two branches adds 1.
//
// The lemma assumes: embeddings drawn from N(0, 1); LayerNorm with γ = 1 and β = 0; queries and
// keys of 0, so attention averages what it sees; value and output matrices drawn from N(0, 1/d),
// which preserve the mean length of a vector; and an MLP that maps ‖x‖² = d to d/2. The paper's
// MLP has a ReLU and d hidden features, with weights drawn from N(0, 1/d). Ours has a GELU and 4d
// hidden features. Their inputs z are N(0, 1) as in the paper, so the variance s² of the second
// matrix follows from E‖W₂·gelu(z)‖² = d·4d·s²·E[gelu(z)²].
func TestResidualStreamAtInitialisation(t *testing.T) {
	const d, blocks, batch, time = 128, 8, 16, 16
	variances := map[string]float64{
		"transformer.wte.weight": 1,
		"attn.c_attn.weight":     1. / d, // queries and keys are then set to 0
		"attn.c_proj.weight":     1. / d,
		"mlp.c_fc.weight":        1. / d,
		"mlp.c_proj.weight":      1 / (8 * d * meanSquareOfGELU()),
	}
	forward := func(t *testing.T, p Placement) (stream, sums []float64) {
		norm, err := NormByName("layer")
		require.NoError(t, err)
		g := G.NewGraph()
		m, err := New(g, Config{
			Vocab: 1000, Context: time, Layers: blocks, Heads: 4, Channels: d,
			Norm: norm, Placement: p, Dtype: tensor.Float64,
		})
		require.NoError(t, err)
		rng := rand.New(rand.NewPCG(1, 1))
		for _, w := range m.Learnables() {
			if strings.Contains(w.Name(), "ln_") {
				continue
			}
			var variance float64 // positions have 0
			for suffix, v := range variances {
				if strings.HasSuffix(w.Name(), suffix) {
					variance = v
				}
			}
			x := w.Value().Data().([]float64)
			for i := range x {
				x[i] = rng.NormFloat64() * math.Sqrt(variance)
			}
			if strings.HasSuffix(w.Name(), "c_attn.weight") {
				clear(x[:2*d*d])
			}
		}
		tokens := make([]int, batch*time)
		for i := range tokens {
			tokens[i] = rng.IntN(1000)
		}
		a, err := m.Forward(ints(g, "ids", golden.Ints{Shape: []int{batch, time}, Data: tokens}))
		require.NoError(t, err)
		vm := G.NewTapeMachine(g)
		defer vm.Close()
		require.NoError(t, vm.RunAll())
		for _, n := range a.Residual {
			stream = append(stream, meanSquare(n))
		}
		for _, n := range a.Norms {
			if strings.HasSuffix(n.Layer.Name(), "ln_2") {
				sums = append(sums, meanSquare(n.In))
			}
		}
		return stream, sums
	}

	t.Run("pre", func(t *testing.T) {
		stream, _ := forward(t, Pre)
		require.Len(t, stream, blocks+1)
		for l, v := range stream[1:] {
			l := float64(l + 1)
			require.Greater(t, v, 1+l/2, "block %v of %v", l, stream)
			require.Less(t, v, 1+3*l/2, "block %v of %v", l, stream)
		}
	})
	t.Run("post", func(t *testing.T) {
		stream, sums := forward(t, Post)
		var mean float64 // over blocks, because within one block attention makes tokens similar
		for l := 1; l <= blocks; l++ {
			require.InDelta(t, 1, stream[l], 1e-4, "block %d, up to the effect of LayerNorm's eps", l)
			mean += sums[l-1] / blocks
		}
		require.InDelta(t, 1.5, mean, 0.1, "before the last norms: %v", sums)
	})
	t.Run("peri", func(t *testing.T) {
		stream, _ := forward(t, Peri)
		for l, v := range stream[1:] {
			require.InEpsilon(t, 1+2*float64(l+1), v, 0.05, "block %d", l+1)
		}
	})
}

// meanSquare returns the mean square of a node's elements, which is the mean of ‖x‖²/d over tokens.
func meanSquare(n *G.Node) (s float64) {
	x := n.Value().Data().([]float64)
	for _, v := range x {
		s += v * v / float64(len(x))
	}
	return s
}

// meanSquareOfGELU returns E[gelu(z)²] for z drawn from N(0, 1), by the trapezoidal rule.
func meanSquareOfGELU() (s float64) {
	const h = 1e-3
	for z := -10.; z < 10; z += h {
		gelu := z / 2 * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(z+0.044715*z*z*z)))
		s += h * gelu * gelu * math.Exp(-z*z/2) / math.Sqrt(2*math.Pi)
	}
	return s
}
